"""energy: value and gradient, by reverse accumulation.

    value = an expression of 157 operations in all

Arguments:
    r  15 real numbers in an array: r0, r1, r2, r3, r4, r5, r6, r7, ...

Gradient: (r0, r1, r2, r3, r4, r5, r6, r7, ...).
Operations: value 295, with the derivative 665, 2.25 times as many (in additions).
Target numba, float64. Kinks: zero.
Verified when written: value and gradient at 3 points, to 1e-6 beyond rounding, against
    differences of the value in arbitrary precision.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/molecule.py:energy --wrt r --args r --target numba
"""

import math

import numpy as np
from numba import njit


@njit(error_model="numpy")
def _norm(*parts):
    """The root of a sum of squares, by hypot where that leaves the range of numbers."""
    total = parts[0] * parts[0]
    for part in parts[1:]:
        total += part * part
    if 1e-30 < total < 1e30:
        return math.sqrt(total)
    total = abs(parts[0])
    for part in parts[1:]:
        total = math.hypot(total, part)
    return total


@njit(error_model="numpy")
def value(r):
    """The value alone."""
    r = np.ascontiguousarray(np.asarray(r, np.float64))
    if len(r) != 15:
        raise ValueError("r must hold 15 numbers")
    v1 = r[12] - r[0]
    v2 = r[13] - r[1]
    v3 = r[14] - r[2]
    v4 = v1 * v1 + v2 * v2 + v3 * v3
    v5 = v4 * v4 * v4
    v6 = r[12] - r[3]
    v7 = r[13] - r[4]
    v8 = r[14] - r[5]
    v9 = v6 * v6 + v7 * v7 + v8 * v8
    v10 = v9 * v9 * v9
    v11 = r[12] - r[6]
    v12 = r[13] - r[7]
    v13 = r[14] - r[8]
    v14 = v11 * v11 + v12 * v12 + v13 * v13
    v15 = v14 * v14 * v14
    v16 = r[12] - r[9]
    v17 = r[13] - r[10]
    v18 = r[14] - r[11]
    v19 = v16 * v16 + v17 * v17 + v18 * v18
    v20 = v19 * v19 * v19
    v21 = r[6] - r[3]
    v22 = r[7] - r[4]
    v23 = r[8] - r[5]
    v24 = _norm(v21, v22, v23)  # norm(r6 - r3, r7 - r4, r8 - r5)
    v25 = r[3] - r[0]
    v26 = r[11] - r[8]
    v27 = r[10] - r[7]
    v28 = v26 * v22 - v27 * v23  # (r11 - r8)*(r7 - r4) - (r10 - r7)*(r8 - r5)
    v29 = r[4] - r[1]
    v30 = r[9] - r[6]
    v31 = v23 * v30 - v26 * v21  # (r8 - r5)*(r9 - r6) - (r11 - r8)*(r6 - r3)
    v32 = r[5] - r[2]
    v33 = v27 * v21 - v22 * v30  # (r10 - r7)*(r6 - r3) - (r7 - r4)*(r9 - r6)
    v34 = v24 * (v25 * v28 + v29 * v31 + v32 * v33)
    v35 = v33 * (v25 * v22 - v29 * v21) + v28 * (v29 * v23 - v32 * v22)
    v36 = math.atan2(v34, v35 + (v32 * v21 - v25 * v23) * v31)
    v37 = _norm(v27, v26, v30)  # norm(r10 - r7, r11 - r8, r9 - r6)
    v38 = (v27 * v22 + v26 * v23 + v21 * v30) / (v37 * v24)
    v39 = math.acos(-v38) - 1.99
    v40 = _norm(v25, v29, v32)  # norm(r3 - r0, r4 - r1, r5 - r2)
    v41 = (v25 * v21 + v29 * v22 + v32 * v23) / (v40 * v24)
    v42 = math.acos(-v41) - 1.99
    v43 = v37 - 1.54
    v44 = v40 - 1.54
    v45 = v24 - 1.54
    v46 = 6.0 * math.cos(3.0 * v36) - 6530.0 / v5 - 6530.0 / v10
    v47 = v46 - 6530.0 / v15 - 6530.0 / v20 + 260.0 * (v39 * v39)
    v48 = v47 + 260.0 * (v42 * v42) + 1090.0 * (v43 * v43)
    v49 = v48 + 1090.0 * (v44 * v44) + 1090.0 * (v45 * v45)
    v50 = v49 + 14200000.0 / (v5 * v5) + 14200000.0 / (v10 * v10)
    v51 = v50 + 14200000.0 / (v15 * v15) + 14200000.0 / (v20 * v20)
    result = v51 + 6.0
    return result


@njit(error_model="numpy")
def value_and_grad(r):
    """The value and the gradient, sharing their work."""
    r = np.ascontiguousarray(np.asarray(r, np.float64))
    if len(r) != 15:
        raise ValueError("r must hold 15 numbers")
    r_bar = np.empty(15, np.float64)
    v1 = r[12] - r[0]
    v2 = r[13] - r[1]
    v3 = r[14] - r[2]
    v4 = v1 * v1 + v2 * v2 + v3 * v3
    v5 = v4 * v4
    v6 = v5 * v4
    v7 = r[12] - r[3]
    v8 = r[13] - r[4]
    v9 = r[14] - r[5]
    v10 = v7 * v7 + v8 * v8 + v9 * v9
    v11 = v10 * v10
    v12 = v11 * v10
    v13 = r[12] - r[6]
    v14 = r[13] - r[7]
    v15 = r[14] - r[8]
    v16 = v13 * v13 + v14 * v14 + v15 * v15
    v17 = v16 * v16
    v18 = v17 * v16
    v19 = r[12] - r[9]
    v20 = r[13] - r[10]
    v21 = r[14] - r[11]
    v22 = v19 * v19 + v20 * v20 + v21 * v21
    v23 = v22 * v22
    v24 = v23 * v22
    v25 = r[6] - r[3]
    v26 = r[7] - r[4]
    v27 = r[8] - r[5]
    v28 = _norm(v25, v26, v27)  # norm(r6 - r3, r7 - r4, r8 - r5)
    v29 = r[3] - r[0]
    v30 = r[11] - r[8]
    v31 = r[10] - r[7]
    v32 = v30 * v26 - v31 * v27  # (r11 - r8)*(r7 - r4) - (r10 - r7)*(r8 - r5)
    v33 = r[4] - r[1]
    v34 = r[9] - r[6]
    v35 = v27 * v34 - v30 * v25  # (r8 - r5)*(r9 - r6) - (r11 - r8)*(r6 - r3)
    v36 = r[5] - r[2]
    v37 = v31 * v25 - v26 * v34  # (r10 - r7)*(r6 - r3) - (r7 - r4)*(r9 - r6)
    v38 = v29 * v32 + v33 * v35 + v36 * v37
    v39 = v28 * v38
    v40 = v29 * v26 - v33 * v25  # (r3 - r0)*(r7 - r4) - (r4 - r1)*(r6 - r3)
    v41 = v33 * v27 - v36 * v26  # (r4 - r1)*(r8 - r5) - (r5 - r2)*(r7 - r4)
    v42 = v36 * v25 - v29 * v27  # (r5 - r2)*(r6 - r3) - (r3 - r0)*(r8 - r5)
    v43 = v37 * v40 + v32 * v41 + v42 * v35
    v44 = 3.0 * math.atan2(v39, v43)
    v45 = _norm(v31, v30, v34)  # norm(r10 - r7, r11 - r8, r9 - r6)
    v46 = v45 * v28  # norm(r10 - r7, r11 - r8, r9 - r6)*norm(r6 - r3, r7 - r4, r8 - ...)
    v47 = (v31 * v26 + v30 * v27 + v25 * v34) / v46
    v48 = math.acos(-v47) - 1.99
    v49 = _norm(v29, v33, v36)  # norm(r3 - r0, r4 - r1, r5 - r2)
    v50 = v49 * v28  # norm(r3 - r0, r4 - r1, r5 - r2)*norm(r6 - r3, r7 - r4, r8 - ...)
    v51 = (v29 * v25 + v33 * v26 + v36 * v27) / v50
    v52 = math.acos(-v51) - 1.99
    v53 = v45 - 1.54
    v54 = v49 - 1.54
    v55 = v28 - 1.54
    v56 = v6 * v6
    v57 = 14200000.0 / v56
    v58 = v12 * v12
    v59 = 14200000.0 / v58
    v60 = v18 * v18
    v61 = 14200000.0 / v60
    v62 = v24 * v24
    v63 = 14200000.0 / v62
    v64 = 6530.0 / v6
    v65 = 6530.0 / v12
    v66 = 6530.0 / v18
    v67 = 6530.0 / v24
    v68 = 6.0 * math.cos(v44) - v64 - v65 - v66 - v67
    v69 = v68 + 260.0 * (v48 * v48) + 260.0 * (v52 * v52)
    v70 = v69 + 1090.0 * (v53 * v53) + 1090.0 * (v54 * v54)
    v71 = v70 + 1090.0 * (v55 * v55) + v57 + v59 + v61
    result = v71 + v63 + 6.0

    # Adjoints, from the result back to the inputs.
    v51_bar = 520.0 * v52 / math.sqrt((v51 + 1.0) * (1.0 - v51))
    v72 = v51_bar / v50  # adjoint of (r3 - r0)*(r6 - r3) + (r4 - r1)*(r7 - r4) + (r5 - r2)*(r8 -...
    v73 = v51_bar * (v51 / v50)
    v49_bar = 2180.0 * v54 - v73 * v28  # adjoint of norm(r3 - r0, r4 - r1, r5 - r2)
    v74 = v49 if v49 != 0.0 else math.inf
    v47_bar = 520.0 * v48 / math.sqrt((v47 + 1.0) * (1.0 - v47))
    v75 = v47_bar / v46  # adjoint of (r10 - r7)*(r7 - r4) + (r11 - r8)*(r8 - r5) + (r6 - r3)*(r9...
    v76 = v47_bar * (v47 / v46)
    v45_bar = 2180.0 * v53 - v76 * v28  # adjoint of norm(r10 - r7, r11 - r8, r9 - r6)
    v77 = v45 if v45 != 0.0 else math.inf
    v78 = -18.0 * math.sin(v44)
    v79 = math.hypot(v43, v39)
    v39_bar = v78 * (v43 / v79 / v79)
    v80 = v78 * (v39 / v79 / v79)
    v81 = v80 * v35  # adjoint of (r3 - r0)*(r8 - r5)
    v82 = v72 * v25 + v49_bar * (v29 / v74) + v81 * v27
    v83 = v72 * v27 + v49_bar * (v36 / v74) - v81 * v25
    v84 = v80 * v32  # adjoint of (r5 - r2)*(r7 - r4)
    v85 = v72 * v26 + v49_bar * (v33 / v74) - v84 * v27
    v86 = v72 * v36 + v75 * v30 + v81 * v29 - v84 * v33
    v87 = v80 * v37  # adjoint of (r4 - r1)*(r6 - r3)
    v88 = v72 * v29 + v75 * v34 - v81 * v36 + v87 * v33
    v89 = v72 * v33 + v75 * v31 + v84 * v36 - v87 * v29
    v28_bar = 2180.0 * v55 - v73 * v49 - v76 * v45 + v39_bar * v38  # adjoint of norm(r6 - r3, r7...
    v38_bar = v39_bar * v28
    v36_bar = v83 + v84 * v26 + v38_bar * v37  # adjoint of r5 - r2
    v37_bar = v38_bar * v36 - v80 * v40  # adjoint of (r10 - r7)*(r6 - r3) - (r7 - r4)*(r9 - r6)
    v90 = v75 * v25 + v45_bar * (v34 / v77) - v37_bar * v26
    v91 = v75 * v26 + v45_bar * (v31 / v77) + v37_bar * v25
    v33_bar = v85 + v87 * v25 + v38_bar * v35  # adjoint of r4 - r1
    v35_bar = v38_bar * v33 - v80 * v42  # adjoint of (r8 - r5)*(r9 - r6) - (r11 - r8)*(r6 - r3)
    v92 = v75 * v27 + v45_bar * (v30 / v77) - v35_bar * v25
    v34_bar = v90 + v35_bar * v27  # adjoint of r9 - r6
    v29_bar = v82 - v87 * v26 + v38_bar * v32  # adjoint of r3 - r0
    v32_bar = v38_bar * v29 - v80 * v41  # adjoint of (r11 - r8)*(r7 - r4) - (r10 - r7)*(r8 - r5)
    v31_bar = v91 - v32_bar * v27  # adjoint of r10 - r7
    v30_bar = v92 + v32_bar * v26  # adjoint of r11 - r8
    v93 = v28 if v28 != 0.0 else math.inf
    v25_bar = v88 + v37_bar * v31 - v35_bar * v30 + v28_bar * (v25 / v93)  # adjoint of r6 - r3
    v26_bar = v89 - v37_bar * v34 + v32_bar * v30 + v28_bar * (v26 / v93)  # adjoint of r7 - r4
    v27_bar = v86 + v35_bar * v34 - v32_bar * v31 + v28_bar * (v27 / v93)  # adjoint of r8 - r5
    v22_bar = v67 / v24 * (3.0 * v23) - v63 / v62 * (6.0 * (v23 * v23 * v22))
    v21_bar = v22_bar * (2.0 * v21)  # adjoint of r14 - r11
    r_bar[11] = v30_bar - v21_bar  # adjoint of r11
    v20_bar = v22_bar * (2.0 * v20)  # adjoint of r13 - r10
    r_bar[10] = v31_bar - v20_bar  # adjoint of r10
    v19_bar = v22_bar * (2.0 * v19)  # adjoint of r12 - r9
    r_bar[9] = v34_bar - v19_bar  # adjoint of r9
    v16_bar = v66 / v18 * (3.0 * v17) - v61 / v60 * (6.0 * (v17 * v17 * v16))
    v15_bar = v16_bar * (2.0 * v15)  # adjoint of r14 - r8
    r_bar[8] = v27_bar - v30_bar - v15_bar  # adjoint of r8
    v14_bar = v16_bar * (2.0 * v14)  # adjoint of r13 - r7
    r_bar[7] = v26_bar - v31_bar - v14_bar  # adjoint of r7
    v13_bar = v16_bar * (2.0 * v13)  # adjoint of r12 - r6
    r_bar[6] = v25_bar - v34_bar - v13_bar  # adjoint of r6
    v10_bar = v65 / v12 * (3.0 * v11) - v59 / v58 * (6.0 * (v11 * v11 * v10))
    v9_bar = v10_bar * (2.0 * v9)  # adjoint of r14 - r5
    r_bar[5] = v36_bar - v27_bar - v9_bar  # adjoint of r5
    v8_bar = v10_bar * (2.0 * v8)  # adjoint of r13 - r4
    r_bar[4] = v33_bar - v26_bar - v8_bar  # adjoint of r4
    v7_bar = v10_bar * (2.0 * v7)  # adjoint of r12 - r3
    r_bar[3] = v29_bar - v25_bar - v7_bar  # adjoint of r3
    v4_bar = v64 / v6 * (3.0 * v5) - v57 / v56 * (6.0 * (v5 * v5 * v4))
    v3_bar = v4_bar * (2.0 * v3)  # adjoint of r14 - r2
    r_bar[14] = v21_bar + v15_bar + v9_bar + v3_bar  # adjoint of r14
    r_bar[2] = -(v36_bar + v3_bar)  # adjoint of r2
    v2_bar = v4_bar * (2.0 * v2)  # adjoint of r13 - r1
    r_bar[13] = v20_bar + v14_bar + v8_bar + v2_bar  # adjoint of r13
    r_bar[1] = -(v33_bar + v2_bar)  # adjoint of r1
    v1_bar = v4_bar * (2.0 * v1)  # adjoint of r12 - r0
    r_bar[12] = v19_bar + v13_bar + v7_bar + v1_bar  # adjoint of r12
    r_bar[0] = -(v29_bar + v1_bar)  # adjoint of r0
    return result, (r_bar,)


@njit(error_model="numpy")
def grad(r):
    """The gradient alone."""
    return value_and_grad(r)[1]
