// Rows quantized as they are packed.
#pragma once
#include "compiler/Cpu/Emitter.h"

namespace lathe::cpu {

/// Quantizes a row of `depth` elements as the activation says (dialects/Tfm/TfmBase.td). `load(k)` gives elements from
/// k on, under the mask; it is called twice, or once where `row`, room for the row in f32, is given. `store(k, codes)`
/// gets their codes, unsigned, in i32, or small floats in f32, without a mask. Returns the row's scale, NaN if an
/// element isn't finite, and its zero point, as f32.
std::pair<Value, Value> quantizeRow(Emitter &e, mlir::Attribute activation, Value depth, Value row,
                                    llvm::function_ref<Value(Value k)> load,
                                    llvm::function_ref<void(Value k, Value codes)> store);

} // namespace lathe::cpu
