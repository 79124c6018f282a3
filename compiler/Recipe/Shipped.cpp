// The recipes that are part of the compiler, from recipes/.
#include "compiler/Recipe/Recipe.h"

using llvm::StringRef;

namespace lathe::recipe {

#include "compiler/Recipe/Shipped.inc"

llvm::ArrayRef<StringRef> getShippedRecipes() {
  static const std::vector<StringRef> names = [] {
    std::vector<StringRef> list;
    for (auto &[name, text] : shipped)
      list.push_back(name);
    return list;
  }();
  return names;
}

std::optional<StringRef> getShippedRecipe(StringRef name) {
  for (auto &[known, text] : shipped)
    if (known == name)
      return StringRef(text);
  return std::nullopt;
}

} // namespace lathe::recipe
