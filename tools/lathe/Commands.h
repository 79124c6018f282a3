// The compiler's commands.
#pragma once
#include "compiler/Driver/Compile.h"
#include "compiler/Recipe/Recipe.h"
#include "tools/lathe-run/Commands.h"

namespace lathe::tool {

extern const Command compileCommand, checkCommand, explainCommand, compareCommand, evaluateCommand, recipeCommand,
    statisticsCommand;

/// The flags that say how to read a model, which all of them take, and their values. False with a message.
/// A function, because the commands, which are made of it, are initialized at no known time.
const std::vector<Flag> &importFlags();
bool readImportFlags(const Arguments &arguments, ImportOptions &options, std::string &error);

/// The flags of the compress phase, likewise.
const std::vector<Flag> &compressFlags();
bool readCompressFlags(const Arguments &arguments, CompileOptions &options, std::string &error);

/// A recipe that ships, by its name, or one from a file. Failures have been printed, or are in `error`.
mlir::FailureOr<recipe::Recipe> readRecipe(const std::string &nameOrPath, std::string &error);

} // namespace lathe::tool
