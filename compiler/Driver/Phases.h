// The phases of a compilation, in order. `lathe compile --compile-from=PHASE --compile-to=PHASE` takes these names; the
// IR after each phase up to `plan` can be printed, read again and tested.
#pragma once
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringRef.h"
#include <optional>

namespace lathe {

enum class Phase {
  Import,   // ONNX nodes become tfm ops, located by node name
  Simplify, // constants folded, Transformer ops recovered
  Compress, // the only lossy phase
  Fuse,     // kernels formed: one region is one launch
  Schedule, // tiles and variants chosen per target, from a cost model
  Plan,     // arena, launches and their formulas
  Emit,     // code per target
  Package,  // model.lathe
};

struct PhaseInfo {
  Phase phase;
  llvm::StringLiteral name;
};
inline constexpr PhaseInfo kPhases[] = {
    {Phase::Import, "import"}, {Phase::Simplify, "simplify"}, {Phase::Compress, "compress"},
    {Phase::Fuse, "fuse"},     {Phase::Schedule, "schedule"}, {Phase::Plan, "plan"},
    {Phase::Emit, "emit"},     {Phase::Package, "package"},
};

inline llvm::StringRef getName(Phase phase) { return kPhases[static_cast<int>(phase)].name; }
inline std::optional<Phase> parsePhase(llvm::StringRef name) {
  auto *it = llvm::find_if(kPhases, [&](const PhaseInfo &info) { return info.name == name; });
  return it == std::end(kPhases) ? std::nullopt : std::optional<Phase>(it->phase);
}

} // namespace lathe
