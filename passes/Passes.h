// All passes of Lathe, and the pipelines of the phases that are made of passes.
#pragma once
#include "dialects/Program/Program.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

namespace lathe {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Passes.h.inc"
} // namespace lathe
