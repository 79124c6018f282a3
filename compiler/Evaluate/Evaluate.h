// Runs a package over a data set and scores what comes out.
#pragma once
#include "compiler/Data/DataSet.h"
#include "compiler/Evaluate/Scores.h"
#include "tools/lathe-run/Model.h"
#include <functional>

namespace lathe::evaluate {

/// What a package says of its inputs. A mask is an integer input [batch, s] with "mask" in its name: a package doesn't
/// say what the model does with its inputs.
llvm::Expected<data::Signature> describeInputs(const tool::Model &model);

/// What outputs are compared with: another package's of the same samples, or an array's rows. One of them, or neither.
struct Other {
  tool::Model *model = nullptr;
  const tool::Tensor *array = nullptr;
};

struct Options {
  std::vector<Metric> metrics;
  std::string output; // "": the first one
  std::string tokens; // for the perplexity, the input that it predicts; "": input_ids, or the first integer [batch, s]
  uint64_t samples = 0; // only the first rows; 0: all
  uint64_t batch = 32;  // rows at a time
  std::optional<Head> head;
  std::string predictions; // a .npy file to write the output of all rows to, in their order; "": none
  std::function<void(double)> progress = [](double) {}; // told the part that is done
};

struct Evaluation {
  uint64_t rows = 0;
  std::vector<Figure> figures;
};

/// Runs both on batches of rows of like length, without what is padding in all of a batch. Positions that a mask (an
/// integer input [batch, s] with "mask" in its name, as wide as the output) has 0 for don't count. Inputs that a folder
/// has no file for are made as ImpliedInputs.h says. Both models must be ready to run (createContext). Integer outputs
/// and rank 1 have no metrics: they're errors, as is what Scores::add refuses.
llvm::Expected<Evaluation> evaluate(tool::Model &model, const data::Signature &signature, llvm::StringRef path,
                                    const Other &other, const Options &options);

/// A head from .npy files: the weight [classes, width], the bias [classes] or no file ("").
llvm::Expected<Head> readHead(const std::string &weight, const std::string &bias);

} // namespace lathe::evaluate
