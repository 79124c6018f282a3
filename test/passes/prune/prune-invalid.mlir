// RUN: not lathe-opt --lathe-prune-channels="ratio=0.5" %s 2>&1 | FileCheck %s --check-prefix=STATISTICS
// RUN: not lathe-opt --lathe-prune-heads="ratio=1 importance=l2" %s 2>&1 | FileCheck %s --check-prefix=RATIO
// RUN: not lathe-opt --lathe-prune-heads="importance=size" %s 2>&1 | FileCheck %s --check-prefix=IMPORTANCE
// RUN: not lathe-opt --lathe-prune-heads="importance=ln norm=0" %s 2>&1 | FileCheck %s --check-prefix=NORM
// RUN: not lathe-opt --lathe-prune-channels="importance=l2 align=0" %s 2>&1 | FileCheck %s --check-prefix=ALIGN
// RUN: not lathe-opt --lathe-prune-channels="importance=l2 targets=(" %s 2>&1 | FileCheck %s --check-prefix=REGEX
// RUN: not lathe-opt --lathe-prune-channels="statistics=%t.missing" %s 2>&1 | FileCheck %s --check-prefix=FILE

// STATISTICS: importance 'activation' needs statistics; hint: pass their file, or use l2
// RATIO: ratio: expected at least 0 and less than 1, got 1
// IMPORTANCE: importance: expected l1, l2, ln, activation or whitened, got 'size'
// NORM: norm: expected a power above 0, got 0
// ALIGN: align: expected at least 1, got 0
// REGEX: targets: '(' is no regular expression
// FILE: {{.*}}.missing
module {}
