// Reads and prints what compression did.
#include "compiler/Package/Compression.h"
#include "dialects/Tfm/Tfm.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace mlir;
using namespace lathe;
using namespace lathe::package;

Compression package::getCompression(ModuleOp module) {
  Compression compression;
  if (auto bytes = module->getAttrOfType<IntegerAttr>(kModelBytesAttr))
    compression.modelBytes = bytes.getInt();
  auto changes = module->getAttrOfType<ArrayAttr>(tfm::kCompressionAttr);
  if (!changes)
    return compression;
  for (auto entry : changes.getAsRange<DictionaryAttr>()) {
    auto text = [&](StringRef field) {
      auto attr = entry.getAs<StringAttr>(field);
      return attr ? attr.str() : std::string();
    };
    auto integer = [&](StringRef field) {
      auto attr = entry.getAs<IntegerAttr>(field);
      return attr ? attr.getInt() : 0;
    };
    auto error = entry.getAs<FloatAttr>("error");
    compression.changes.push_back({text("weight"), text("node"), text("pass"), text("what"), text("refused"),
                                   error ? error.getValueAsDouble() : 0, integer("before"), integer("after")});
  }
  return compression;
}

std::vector<PassTotal> package::sumPasses(const Compression &compression) {
  llvm::MapVector<StringRef, PassTotal> totals;
  for (const WeightChange &change : compression.changes) {
    PassTotal &total = totals[change.pass];
    total.pass = change.pass;
    if (!change.refused.empty()) {
      ++total.refused;
      continue;
    }
    ++total.changed;
    total.before += change.before;
    total.after += change.after;
  }
  std::vector<PassTotal> result;
  for (auto &[pass, total] : totals)
    result.push_back(total);
  return result;
}

/// Null where it isn't finite, for JSON has no such number.
static llvm::json::Value getNumber(double value) {
  return std::isfinite(value) ? llvm::json::Value(value) : llvm::json::Value(nullptr);
}

llvm::json::Value package::toJson(const Compression &compression) {
  llvm::json::Array changes;
  for (const WeightChange &change : compression.changes)
    changes.push_back(llvm::json::Object{{"weight", llvm::json::fixUTF8(change.weight)},
                                         {"node", llvm::json::fixUTF8(change.node)},
                                         {"pass", change.pass},
                                         {"what", change.what},
                                         {"refused", llvm::json::fixUTF8(change.refused)},
                                         {"error", getNumber(change.error)},
                                         {"before", change.before},
                                         {"after", change.after}});
  llvm::json::Object result{{"model_bytes", compression.modelBytes}, {"changes", std::move(changes)}};
  llvm::json::Array generic;
  for (const std::string &weight : compression.generic)
    generic.push_back(llvm::json::fixUTF8(weight));
  if (!generic.empty())
    result["generic"] = std::move(generic);
  if (const std::optional<Evaluation> &evaluation = compression.evaluation) {
    llvm::json::Array figures;
    for (const Evaluation::Figure &figure : evaluation->figures) {
      llvm::json::Object object{{"name", figure.name}, {"unit", figure.unit}, {"value", getNumber(figure.value)}};
      if (figure.low && figure.high) {
        object["low"] = getNumber(*figure.low);
        object["high"] = getNumber(*figure.high);
      }
      figures.push_back(std::move(object));
    }
    result["evaluation"] = llvm::json::Object{{"data", llvm::json::fixUTF8(evaluation->data)},
                                              {"against", llvm::json::fixUTF8(evaluation->against)},
                                              {"samples", static_cast<int64_t>(evaluation->samples)},
                                              {"figures", std::move(figures)}};
  }
  return result;
}

Compression package::compressionFromJson(const llvm::json::Value &value) {
  Compression compression;
  const llvm::json::Object *object = value.getAsObject();
  if (!object)
    return compression;
  auto forEach = [](const llvm::json::Object &of, StringRef field, auto use) {
    if (const llvm::json::Array *array = of.getArray(field))
      for (const llvm::json::Value &element : *array)
        if (const llvm::json::Object *fields = element.getAsObject())
          use(*fields);
  };
  auto text = [](const llvm::json::Object &of, StringRef field) { return of.getString(field).value_or("").str(); };
  compression.modelBytes = object->getInteger("model_bytes").value_or(0);
  if (const llvm::json::Array *generic = object->getArray("generic"))
    for (const llvm::json::Value &weight : *generic)
      compression.generic.push_back(weight.getAsString().value_or("").str());
  forEach(*object, "changes", [&](const llvm::json::Object &change) {
    compression.changes.push_back({text(change, "weight"), text(change, "node"), text(change, "pass"),
                                   text(change, "what"), text(change, "refused"),
                                   change.getNumber("error").value_or(NAN), change.getInteger("before").value_or(0),
                                   change.getInteger("after").value_or(0)});
  });
  if (const llvm::json::Object *evaluated = object->getObject("evaluation")) {
    Evaluation evaluation;
    evaluation.data = text(*evaluated, "data");
    evaluation.against = text(*evaluated, "against");
    evaluation.samples = evaluated->getInteger("samples").value_or(0);
    forEach(*evaluated, "figures", [&](const llvm::json::Object &figure) {
      evaluation.figures.push_back({text(figure, "name"), text(figure, "unit"), figure.getNumber("value").value_or(NAN),
                                    figure.getNumber("low"), figure.getNumber("high")});
    });
    compression.evaluation = std::move(evaluation);
  }
  return compression;
}

static std::string getText(double value, StringRef unit) {
  if (!std::isfinite(value))
    return "-";
  if (unit == "share")
    return llvm::formatv("{0:F2} %", value * 100);
  std::string text;
  llvm::raw_string_ostream os(text);
  if (unit == "difference")
    os << llvm::format("%+.2f points", value * 100);
  else if (unit == "count")
    os << llvm::format("%.0f", value);
  else
    os << llvm::format(unit.empty() ? "%.6g" : "%.4g", value) << (unit == "nats" ? " nats" : "");
  return text;
}

std::string package::getText(const Evaluation::Figure &figure) { return ::getText(figure.value, figure.unit); }

std::string package::getInterval(const Evaluation::Figure &figure) {
  if (!figure.low || !figure.high || !std::isfinite(*figure.low) || !std::isfinite(*figure.high))
    return "";
  return ::getText(*figure.low, figure.unit) + " to " + ::getText(*figure.high, figure.unit);
}

std::string package::getErrorText(double error) {
  std::string text;
  if (!std::isfinite(error))
    return "-";
  llvm::raw_string_ostream(text) << llvm::format("%.3g", error);
  return text;
}

std::string package::getSizes(const Compression &compression, int64_t weightBytes, uint64_t packageBytes) {
  auto mebibytes = [](double bytes) { return llvm::formatv("{0:F2} MiB", bytes / (1 << 20)).str(); };
  std::string text;
  if (compression.modelBytes)
    text = mebibytes(compression.modelBytes) + " as f32 in the model";
  if (weightBytes)
    text += (text.empty() ? "" : ", ") + mebibytes(weightBytes) + " now";
  if (packageBytes && compression.modelBytes)
    text += llvm::formatv("{0}the package is {1:F3} of the model's", text.empty() ? "" : "; ",
                          static_cast<double>(packageBytes) / compression.modelBytes);
  return text;
}

std::string package::getGeneric(const Compression &compression) {
  if (compression.generic.empty())
    return "";
  return "read by the kernel for every format, element by element: " + llvm::join(compression.generic, ", ");
}

void package::print(const Compression &compression, int64_t weightBytes, uint64_t packageBytes, llvm::raw_ostream &os) {
  if (compression.empty())
    return;
  os << "weights: " << getSizes(compression, weightBytes, packageBytes) << "\n";
  for (const PassTotal &total : sumPasses(compression)) {
    os << total.pass << ": " << total.changed << " changed, " << total.before << " to " << total.after << " bytes";
    if (total.refused)
      os << ", " << total.refused << " refused";
    os << "\n";
  }
  for (const WeightChange &change : compression.changes) {
    os << "  " << llvm::left_justify(change.pass, 26) << " " << change.weight;
    if (!change.node.empty() && change.node != change.weight)
      os << " (" << change.node << ")";
    if (!change.refused.empty())
      os << ": refused: " << change.refused << "\n";
    else
      os << ": " << change.what << ", " << change.before << " to " << change.after << " bytes, error "
         << getErrorText(change.error) << "\n";
  }
  if (std::string text = getGeneric(compression); !text.empty())
    os << text << "\n";
  if (const std::optional<Evaluation> &evaluation = compression.evaluation) {
    os << "on " << evaluation->samples << " samples of " << evaluation->data;
    if (!evaluation->against.empty())
      os << ", against " << evaluation->against;
    os << ":\n";
    for (const Evaluation::Figure &figure : evaluation->figures) {
      os << "  " << llvm::left_justify(figure.name, 20) << " " << package::getText(figure);
      if (std::string interval = getInterval(figure); !interval.empty())
        os << " (" << interval << ")";
      os << "\n";
    }
  }
}
