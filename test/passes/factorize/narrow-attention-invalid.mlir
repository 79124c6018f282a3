// RUN: not lathe-opt --lathe-narrow-attention="method=svd" %s 2>&1 | FileCheck %s --check-prefix=RANK
// RUN: not lathe-opt --lathe-narrow-attention="method=qr rank=2" %s 2>&1 | FileCheck %s --check-prefix=METHOD
// RUN: not lathe-opt --lathe-narrow-attention="rank=2" %s 2>&1 | FileCheck %s --check-prefix=STATISTICS
// RUN: not lathe-opt --lathe-narrow-attention="rank=2 method=svd targets=(" %s 2>&1 | FileCheck %s --check-prefix=REGEX
// RUN: not lathe-opt --lathe-narrow-attention="rank=2 statistics=%t.missing" %s 2>&1 | FileCheck %s --check-prefix=FILE

// RANK: rank: expected at least 1, got 0
// METHOD: method: expected svd or whitened, got 'qr'
// STATISTICS: method 'whitened' needs statistics; hint: pass their file, or use svd
// REGEX: targets: '(' is no regular expression
// FILE: {{.*}}.missing
module {}
