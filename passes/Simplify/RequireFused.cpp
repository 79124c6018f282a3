// --lathe-require-fused: a compile that expects an op to be recovered fails where it isn't.
#include "passes/Passes.h"
#include "llvm/ADT/StringExtras.h"

namespace lathe {
#define GEN_PASS_DEF_REQUIREFUSEDPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;

namespace {
struct RequireFusedPass : lathe::impl::RequireFusedPassBase<RequireFusedPass> {
  using RequireFusedPassBase::RequireFusedPassBase;

  void runOnOperation() override {
    llvm::StringMap<unsigned> counts;
    getOperation().walk([&](Operation *op) {
      if (isa<tfm::TfmDialect>(op->getDialect()))
        ++counts[op->getName().stripDialect()];
    });
    bool failed = false;
    SmallVector<StringRef> wanted;
    StringRef(ops).split(wanted, ',', -1, /*KeepEmpty=*/false);
    for (StringRef entry : wanted) {
      auto [name, number] = entry.trim().split(':');
      unsigned count;
      if (number.getAsInteger(10, count)) {
        emitError(getOperation().getLoc()) << "expected OP:COUNT in the list of required ops, got '" << entry << "'";
        failed = true;
      } else if (!RegisteredOperationName::lookup(("tfm." + name).str(), &getContext())) {
        emitError(getOperation().getLoc()) << "expected the name of a tfm op to require, got '" << name << "'";
        failed = true;
      } else if (counts.lookup(name) < count) {
        emitError(getOperation().getLoc())
            << "expected at least " << count << " tfm." << name << ", got " << counts.lookup(name)
            << "; hint: `lathe explain` says what each ONNX node became";
        failed = true;
      }
    }
    if (failed)
      signalPassFailure();
  }
};
} // namespace
