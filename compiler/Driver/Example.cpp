#include "compiler/Driver/Example.h"
#include "dialects/Program/Program.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace lathe;

std::map<std::string, int64_t> lathe::getExampleSizes(ModuleOp module) {
  std::map<std::string, int64_t> sizes;
  auto symbols = module->getAttrOfType<DictionaryAttr>(tfm::kSymbolsAttr);
  for (NamedAttribute symbol : symbols ? symbols.getValue() : ArrayRef<NamedAttribute>())
    if (auto range = tfm::getSymbolRange(module, symbol.getName()))
      sizes[symbol.getName().str()] = std::clamp<int64_t>(128, range->min, range->max);
  auto setFirst = [&](Type type) {
    SmallVector<Dim> dims = tfm::getDims(type);
    if (auto name = dims.empty() ? std::nullopt : dims[0].getSymbol())
      if (auto range = tfm::getSymbolRange(module, *name))
        sizes[name->str()] = std::max<int64_t>(1, range->min);
  };
  if (auto main = module.lookupSymbol<func::FuncOp>("main"))
    llvm::for_each(main.getArgumentTypes(), setFirst);
  module.walk([&](program::InputOp input) { setFirst(input.getTensorType()); });
  return sizes;
}
