// Evaluation for the commands: the flags that say what is measured, and models that are made ready for it.
#pragma once
#include "compiler/Evaluate/Evaluate.h"
#include "tools/lathe/Commands.h"

namespace lathe::tool {

/// A model that is ready to run, and what it says of its inputs.
struct Subject {
  Model model;
  data::Signature signature;
};

/// Loads a package. False with a message.
bool loadSubject(const std::string &package, const ModelOptions &options, Subject &subject, std::string &error);
/// Compiles a model for this machine's processor, with what the options say else, and loads that. False with a message,
/// or without one after diagnostics.
bool compileSubject(CompileOptions compile, bool quiet, const ModelOptions &options, Subject &subject,
                    std::string &error);
/// Loads a package, or compiles an ONNX model with the arguments' flags, as above; `asItIs`: without those that
/// compress.
bool prepareSubject(const std::string &path, const Arguments &arguments, bool asItIs, const ModelOptions &options,
                    Subject &subject, std::string &error);

/// The flags from --metric to --metric-command.
const std::vector<Flag> &metricFlags();
/// What they say, but of --against and --metric-command. `compared`: there is something to compare with. False with a
/// message.
bool readMetricFlags(const Arguments &arguments, bool compared, evaluate::Options &options, std::string &error);

/// Evaluates a model on the samples at `data`, beside what --against says (as it is) or else `other`, which may be
/// null; runs the metric command too, whose number is a figure "command". False with a message, or without one after
/// diagnostics.
bool measure(Subject &subject, const std::string &data, const Arguments &arguments, const ModelOptions &modelOptions,
             Subject *other, evaluate::Options options, evaluate::Evaluation &evaluation, std::string &error);

/// Without paths: those of the data and of what is compared with are the caller's.
package::Evaluation describe(const evaluate::Evaluation &evaluation);

} // namespace lathe::tool
