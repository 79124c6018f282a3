// lathe-run run: runs a model once on inputs from files and writes its outputs as .npy files.
#include "tools/lathe-run/Inputs.h"
#include "tools/lathe-run/Npy.h"
#include "tools/lathe-run/Table.h"
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sys/stat.h>

namespace lathe::tool {

namespace {
// Creates a folder and those above it.
bool createFolders(const std::string &path, std::string &error) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    std::string part = path.substr(0, slash);
    if (mkdir(part.c_str(), 0777) != 0 && errno != EEXIST) {
      error = "can't create the folder '" + part + "': " + std::strerror(errno);
      return false;
    }
    if (slash == std::string::npos)
      break;
  }
  struct stat info;
  if (stat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    error = "can't create the folder '" + path + "': there is something else of that name";
    return false;
  }
  return true;
}

// A file name for an output: what is not a letter, a digit or one of "._-" becomes '_', and so does a leading dot. Two
// outputs that would share a name get their position behind it.
std::vector<std::string> fileNames(const std::vector<Value> &outputs) {
  std::vector<std::string> names;
  for (const Value &output : outputs) {
    std::string name;
    for (char c : output.name)
      name +=
          (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ? c : '_';
    if (name.empty() || name[0] == '.')
      name = "_" + name.substr(name.empty() ? 0 : 1);
    name.resize(std::min<size_t>(name.size(), 200));
    std::string unique = name;
    for (size_t n = names.size(); std::find(names.begin(), names.end(), unique + ".npy") != names.end(); ++n)
      unique = name + "." + std::to_string(n);
    names.push_back(unique + ".npy");
  }
  return names;
}

int runRun(const ModelSource &source, const Arguments &arguments) {
  std::string error;
  ModelOptions options;
  InputOptions inputOptions;
  if (!options.parse(arguments, error) || !inputOptions.parse(arguments, error))
    return fail(error, kUsage);
  Model model;
  std::vector<Tensor> inputs;
  if (!model.load(source, options, error) || !makeInputs(model, inputOptions, false, inputs, error) ||
      !model.createContext(options, error) || !model.setInputs(inputs, error) || !model.run(error))
    return fail(error);
  std::optional<std::string> folder = arguments.value("--output-dir");
  if (folder && !createFolders(*folder, error))
    return fail(error);
  std::vector<std::vector<std::string>> rows = {{"output", "type", "shape", folder ? "file" : ""}};
  std::vector<std::string> names = fileNames(model.outputs());
  for (uint32_t i = 0; i < model.outputs().size(); ++i) {
    Tensor output;
    if (!model.output(i, output, error))
      return fail(error);
    std::string path = folder ? *folder + "/" + names[i] : "";
    if (folder && !writeNpy(path, output, error))
      return fail(error);
    rows.push_back({output.name, typeName(output.type), shapeText(output.dims), path});
  }
  printTable(rows);
  return 0;
}
} // namespace

const Command runCommand = {
    "run",
    "",
    "Runs the model once on inputs from files and writes its outputs as .npy files.",
    "Integers are converted to the input's type where no value changes; a uint16 array is taken as the bits of a bf16\n"
    "input. An input without a file needs a shape or a rule: see --shapes and --fill. An output is written to\n"
    "NAME.npy, where '/' and the like become '_'; bf16 as two-byte voids (V2).",
    0,
    [] {
      std::vector<Flag> flags = {{"--output-dir", "DIR", "write the outputs there; made if it is not there"}};
      for (const Flag &flag : InputOptions::flags())
        flags.push_back(flag);
      for (const Flag &flag : ModelOptions::runFlags())
        flags.push_back(flag);
      return flags;
    }(),
    runRun};

} // namespace lathe::tool
