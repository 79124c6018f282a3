// RUN: not lathe-opt --lathe-smooth-linears %s 2>&1 | FileCheck %s --check-prefix=STATISTICS
// RUN: not lathe-opt --lathe-smooth-linears="method=gptq" %s 2>&1 | FileCheck %s --check-prefix=METHOD
// RUN: not lathe-opt --lathe-smooth-linears="alpha=1.5" %s 2>&1 | FileCheck %s --check-prefix=ALPHA
// RUN: not lathe-opt --lathe-smooth-linears="alpha=nan" %s 2>&1 | FileCheck %s --check-prefix=NAN
// RUN: not lathe-opt --lathe-smooth-linears="bits=9" %s 2>&1 | FileCheck %s --check-prefix=BITS
// RUN: not lathe-opt --lathe-smooth-linears="group=-1" %s 2>&1 | FileCheck %s --check-prefix=GROUP
// RUN: not lathe-opt --lathe-smooth-linears="clip" %s 2>&1 | FileCheck %s --check-prefix=CLIP
// RUN: not lathe-opt --lathe-smooth-linears="targets=(" %s 2>&1 | FileCheck %s --check-prefix=REGEX
// RUN: not lathe-opt --lathe-smooth-linears="statistics=%t.missing" %s 2>&1 | FileCheck %s --check-prefix=FILE

// STATISTICS: scales need statistics; hint: pass their file
// METHOD: method: expected smoothquant or awq, got 'gptq'
// ALPHA: alpha: expected at most 1, got 1.5
// NAN: alpha: expected at most 1, got nan
// BITS: bits: expected 2 to 8, or 0, got 9
// GROUP: group: expected a number of elements, or 0, got -1
// CLIP: clip is a part of method 'awq'
// REGEX: targets: '(' is no regular expression
// FILE: {{.*}}.missing
module {}
