// Locations of ONNX nodes, and their text.
#include "compiler/Onnx/NodeLocation.h"
#include "mlir/IR/BuiltinAttributes.h"

using namespace mlir;

Location lathe::nodeLocation(MLIRContext *context, StringRef name, StringRef opType) {
  return NameLoc::get(StringAttr::get(context, name), NameLoc::get(StringAttr::get(context, opType)));
}

std::string lathe::describeLocation(Location location) {
  if (auto name = dyn_cast<NameLoc>(location)) {
    if (auto opType = dyn_cast<NameLoc>(name.getChildLoc()))
      return ("node '" + name.getName().getValue() + "' (" + opType.getName().getValue() + ")").str();
    return ("'" + name.getName().getValue() + "'").str();
  }
  if (auto fused = dyn_cast<FusedLoc>(location)) {
    for (Location inner : fused.getLocations())
      if (std::string text = describeLocation(inner); !text.empty())
        return text;
    return "";
  }
  if (auto call = dyn_cast<CallSiteLoc>(location))
    return describeLocation(call.getCallee());
  if (auto file = dyn_cast<FileLineColLoc>(location)) {
    if (file.getLine() == 0)
      return file.getFilename().str();
    return (file.getFilename().getValue() + ":" + Twine(file.getLine()) + ":" + Twine(file.getColumn())).str();
  }
  return "";
}
