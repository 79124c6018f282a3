// All passes of Lathe. One name, four spellings: the file QuantizeWeights.cpp, the def QuantizeWeightsPass, the flag
// --lathe-quantize-weights, the test quantize-weights.mlir.
include "mlir/Pass/PassBase.td"
include "passes/Simplify/Simplify.td"
include "passes/Structure/Structure.td"
include "passes/Precision/Precision.td"
include "passes/Prune/Prune.td"
include "passes/Factorize/Factorize.td"
include "passes/Smooth/Smooth.td"
include "passes/Quantize/Quantize.td"
include "passes/Sparsify/Sparsify.td"
include "passes/Fuse/Fuse.td"
include "passes/Schedule/Schedule.td"
include "passes/Plan/Plan.td"
