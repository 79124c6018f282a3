// The compiler's commands.
#pragma once
#include "compiler/Driver/Compile.h"
#include "tools/lathe-run/Commands.h"

namespace lathe::tool {

extern const Command compileCommand, checkCommand, explainCommand;

/// The flags that say how to read a model, which all three commands take, and their values. False with a message.
extern const std::vector<Flag> kImportFlags;
bool readImportFlags(const Arguments &arguments, ImportOptions &options, std::string &error);

} // namespace lathe::tool
