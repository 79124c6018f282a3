// RUN: not lathe-opt --lathe-factorize-linears="method=svd" %s 2>&1 | FileCheck %s --check-prefix=RANK
// RUN: not lathe-opt --lathe-factorize-linears="method=svd rank=2 energy=0.5" %s 2>&1 | FileCheck %s --check-prefix=RANK
// RUN: not lathe-opt --lathe-factorize-linears="method=qr rank=2" %s 2>&1 | FileCheck %s --check-prefix=METHOD
// RUN: not lathe-opt --lathe-factorize-linears="rank=2" %s 2>&1 | FileCheck %s --check-prefix=STATISTICS

// RANK: expected one of rank, at least 1, and energy and size, above 0 and at most 1
// METHOD: method: expected svd, activation or whitened, got 'qr'
// STATISTICS: method 'whitened' needs statistics; hint: pass their file, or use svd
module {}
