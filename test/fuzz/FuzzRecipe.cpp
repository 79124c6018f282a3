// Recipes: any text is one or is refused with a reason, and what is accepted says only what the methods' keys allow.
#include "compiler/Recipe/Keys.h"
#include "compiler/Recipe/Recipe.h"
#include <cstdlib>

using namespace lathe::recipe;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  unsigned told = 0;
  llvm::StringRef text(reinterpret_cast<const char *>(data), size);
  auto buffer = llvm::MemoryBuffer::getMemBufferCopy(text, "recipe"); // which a zero ends
  auto recipe = parseRecipe(buffer->getMemBufferRef(), [&](const llvm::SMDiagnostic &) { ++told; });
  if (failed(recipe)) {
    if (!told)
      std::abort();
    return 0;
  }
  for (const Stage &stage : recipe->stages)
    for (const Rule &rule : stage.rules)
      for (const auto &option : rule.options)
        if (!llvm::any_of(getKeys(stage.method), [&](const Key &key) { return key.name == option.first; }))
          std::abort();
  return 0;
}
