// Recipes from YAML: first a tree with locations, then the recipe, so that every error is found at once.
#include "compiler/Recipe/Keys.h"
#include "tools/lathe-run/CommandLine.h"
#include "tools/lathe-run/Table.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Regex.h"
#include "llvm/Support/YAMLParser.h"
#include <cmath>

using namespace lathe;
using namespace lathe::recipe;
using llvm::StringRef;
using llvm::Twine;

static constexpr llvm::StringLiteral kMethods[] = {"share",    "prune",    "factorize", "smooth",
                                                   "sparsify", "quantize", "precision"};
StringRef recipe::getName(Method method) { return kMethods[unsigned(method)]; }

std::optional<StringRef> Rule::get(StringRef key) const {
  for (auto &[name, value] : options)
    if (name == key)
      return StringRef(value);
  return std::nullopt;
}

namespace {
struct Node {
  enum Kind { Scalar, List, Map } kind = Scalar;
  std::string text;
  std::vector<Node> items; // of a List; of a Map keys and values in turn
  llvm::SMLoc location;
};

class Parser {
public:
  Parser(llvm::MemoryBufferRef buffer, Diagnose diagnose) : buffer(buffer), diagnose(diagnose) {}
  llvm::FailureOr<Recipe> run();

private:
  static constexpr unsigned kMaxDepth = 8; // a recipe is five deep
  static constexpr size_t kMaxBytes = size_t(1) << 20;

  llvm::MemoryBufferRef buffer;
  Diagnose diagnose;
  llvm::SourceMgr sources;
  bool failed = false;

  void fail(llvm::SMLoc location, const Twine &message) {
    failed = true;
    diagnose(sources.GetMessage(location, llvm::SourceMgr::DK_Error, message));
  }
  unsigned lineOf(llvm::SMLoc location) { return sources.getLineAndColumn(location).first; }
  bool expect(const Node &node, Node::Kind kind, const Twine &what) {
    if (node.kind != kind)
      fail(node.location, "expected " + what);
    return node.kind == kind;
  }
  /// "unknown WHAT 'word'", with the nearest of those that are known, or all of them.
  void failUnknown(const Node &node, StringRef what, std::vector<std::string> known);

  bool read(llvm::yaml::Node *from, Node &to, llvm::SMLoc around, unsigned depth);
  bool readTree(Node &root);
  void parseStage(const Node &node, Recipe &recipe);
  void parseRule(const Node &node, Method method, Stage &stage);
  void parseTargets(const Node &node, Targets &targets);
  void parseLayers(const Node &node, Rule &rule);
  std::optional<std::string> parseValue(const Node &node, const Key &key);
  void checkOrder(const Recipe &recipe, llvm::ArrayRef<llvm::SMLoc> locations);
};
} // namespace

void Parser::failUnknown(const Node &node, StringRef what, std::vector<std::string> known) {
  auto meant = tool::nearest(node.text, known);
  fail(node.location, "unknown " + what + " '" + node.text + "'; " +
                          (meant ? "did you mean '" + *meant + "'?" : "one of " + llvm::join(known, ", ")));
}

bool Parser::read(llvm::yaml::Node *from, Node &to, llvm::SMLoc around, unsigned depth) {
  if (!from)
    return false;
  // A node that begins where the scanner gave up lies outside of the text.
  to.location = from->getSourceRange().Start;
  if (!sources.FindBufferContainingLoc(to.location))
    to.location = around;
  if (depth > kMaxDepth) {
    fail(to.location, "a recipe is not that deep");
    return false;
  }
  if (auto *scalar = llvm::dyn_cast<llvm::yaml::ScalarNode>(from)) {
    llvm::SmallString<64> storage;
    to.text = scalar->getValue(storage).str();
    return true;
  }
  if (auto *block = llvm::dyn_cast<llvm::yaml::BlockScalarNode>(from)) {
    to.text = block->getValue().str();
    return true;
  }
  if (auto *list = llvm::dyn_cast<llvm::yaml::SequenceNode>(from)) {
    to.kind = Node::List;
    for (llvm::yaml::Node &item : *list)
      if (!read(&item, to.items.emplace_back(), to.location, depth + 1))
        return false;
    return true;
  }
  if (auto *map = llvm::dyn_cast<llvm::yaml::MappingNode>(from)) {
    to.kind = Node::Map;
    llvm::StringMap<llvm::SMLoc> seen;
    for (llvm::yaml::KeyValueNode &entry : *map) {
      Node key, value;
      if (!read(entry.getKey(), key, to.location, depth + 1) || !expect(key, Node::Scalar, "a key") ||
          !read(entry.getValue(), value, key.location, depth + 1))
        return false;
      if (!seen.try_emplace(key.text, key.location).second)
        fail(key.location, "the key '" + key.text + "' is there twice");
      to.items.push_back(std::move(key));
      to.items.push_back(std::move(value));
    }
    return true;
  }
  if (llvm::isa<llvm::yaml::AliasNode>(from))
    fail(to.location, "a recipe has no aliases");
  return llvm::isa<llvm::yaml::NullNode>(from); // an empty value: an empty scalar
}

bool Parser::readTree(Node &root) {
  sources.setDiagHandler(
      [](const llvm::SMDiagnostic &diagnostic, void *self) {
        auto *parser = static_cast<Parser *>(self);
        parser->failed = true;
        parser->diagnose(diagnostic);
      },
      this);
  llvm::yaml::Stream stream(buffer, sources, /*ShowColors=*/false);
  auto document = stream.begin();
  if (document == stream.end() || !read(document->getRoot(), root, root.location, 0) || stream.failed())
    return false;
  if (++document != stream.end() && !stream.failed())
    fail(root.location, "expected one document");
  return !stream.failed();
}

void Parser::parseTargets(const Node &node, Targets &targets) {
  static constexpr WeightKind attention[] = {WeightKind::AttentionQ, WeightKind::AttentionK, WeightKind::AttentionV,
                                             WeightKind::AttentionOutput};
  static constexpr WeightKind ffn[] = {WeightKind::FfnUp, WeightKind::FfnGate, WeightKind::FfnDown};
  std::vector<std::string> known = {"attention", "ffn"};
  for (unsigned kind = 0; kind <= unsigned(WeightKind::Embedding); ++kind)
    known.push_back(lathe::getName(WeightKind(kind)).str());
  llvm::ArrayRef<Node> items = node.items;
  if (node.kind == Node::Scalar)
    items = node;
  else if (!expect(node, Node::List, "a list of kinds and re:EXPRESSIONs"))
    return;
  if (items.empty())
    fail(node.location, "expected at least one target");
  for (const Node &item : items) {
    StringRef text = item.text;
    if (!expect(item, Node::Scalar, "a kind or re:EXPRESSION"))
      continue;
    if (text.consume_front("re:")) {
      std::string error;
      if (!llvm::Regex(text).isValid(error))
        fail(item.location, "not a regular expression: " + error);
      targets.patterns.push_back(text.str());
    } else if (text == "attention") {
      llvm::append_range(targets.kinds, attention);
    } else if (text == "ffn") {
      llvm::append_range(targets.kinds, ffn);
    } else if (text == "linear") {
      llvm::append_range(targets.kinds, attention);
      llvm::append_range(targets.kinds, ffn);
      targets.kinds.push_back(WeightKind::Linear);
    } else {
      unsigned kind = 0;
      while (kind <= unsigned(WeightKind::Embedding) && lathe::getName(WeightKind(kind)) != text)
        ++kind;
      if (kind <= unsigned(WeightKind::Embedding))
        targets.kinds.push_back(WeightKind(kind));
      else
        failUnknown(item, "kind", known);
    }
  }
}

void Parser::parseLayers(const Node &node, Rule &rule) {
  if (node.kind == Node::List) {
    for (const Node &item : node.items)
      if (expect(item, Node::Scalar, "a layer or a range, as 0-5"))
        parseLayers(item, rule);
    return;
  }
  if (!expect(node, Node::Scalar, "layers and ranges, as 0-5,7"))
    return;
  for (StringRef part : llvm::split(StringRef(node.text), ',')) {
    auto [first, last] = part.trim().split('-');
    int64_t begin, end;
    bool isRange = part.contains('-');
    if (first.trim().getAsInteger(10, begin) || (isRange && last.trim().getAsInteger(10, end)))
      return fail(node.location, "expected layers and ranges, as 0-5,7, got '" + node.text + "'");
    if (!isRange)
      end = begin;
    if (begin > end)
      return fail(node.location, "the range " + part.trim() + " ends before it begins");
    rule.layers.push_back({begin, end});
  }
}

std::optional<std::string> Parser::parseValue(const Node &node, const Key &key) {
  StringRef text = node.text;
  auto bad = [&](const Twine &expected) {
    fail(node.location, key.name + ": expected " + expected + ", got '" + text + "'");
    return std::nullopt;
  };
  if (!expect(node, Node::Scalar, "a value for " + key.name))
    return std::nullopt;
  auto number = [](double value) { return tool::numberText(value, 6); };
  switch (key.type) {
  case KeyType::Choice: {
    std::vector<std::string> choices;
    for (StringRef choice : llvm::split(key.choices, ','))
      choices.push_back(choice.str());
    if (!llvm::is_contained(choices, text))
      return bad("one of " + llvm::join(choices, ", "));
    return text.str();
  }
  case KeyType::Flag:
    if (text != "true" && text != "false")
      return bad("true or false");
    return text.str();
  case KeyType::Integer: {
    int64_t value;
    if (text.getAsInteger(10, value) || value < key.min || value > key.max)
      return bad("an integer from " + Twine(int64_t(key.min)) +
                 (key.max < 1e9 ? " to " + Twine(int64_t(key.max)) : Twine(" up")));
    return std::to_string(value);
  }
  case KeyType::Number: {
    double value;
    if (text.getAsDouble(value) || !(value >= key.min && value <= key.max))
      return bad("a number from " + number(key.min) + " to " + number(key.max));
    return text.str();
  }
  case KeyType::Pattern: {
    auto [kept, of] = text.split(':');
    unsigned n, m;
    if (kept.getAsInteger(10, n) || of.getAsInteger(10, m) || n == 0 || m > 16)
      return bad("n:m with m up to 16, as 2:4");
    if (n >= m)
      return bad("n:m with n below m: n of m elements remain");
    return text.str();
  }
  }
  llvm_unreachable("a type");
}

void Parser::parseRule(const Node &node, Method method, Stage &stage) {
  if (!expect(node, Node::Map, "a rule: keys and values"))
    return;
  Rule &rule = stage.rules.emplace_back();
  rule.line = lineOf(node.location);
  llvm::ArrayRef<Key> keys = getKeys(method);
  std::vector<std::string> known = {"targets", "ignore", "layers"};
  for (const Key &key : keys)
    known.push_back(key.name.str());
  std::vector<std::optional<std::string>> values(keys.size());
  bool hasTargets = false, sound = true;
  for (size_t i = 0; i < node.items.size(); i += 2) {
    const Node &name = node.items[i], &value = node.items[i + 1];
    const Key *key = llvm::find_if(keys, [&](const Key &k) { return k.name == name.text; });
    if (name.text == "targets") {
      hasTargets = true;
      parseTargets(value, rule.targets);
    } else if (name.text == "ignore") {
      parseTargets(value, rule.ignore);
    } else if (name.text == "layers") {
      parseLayers(value, rule);
    } else if (key == keys.end()) {
      failUnknown(name, ("key of " + getName(method)).str(), known);
      sound = false;
    } else {
      values[key - keys.begin()] = parseValue(value, *key);
      sound &= values[key - keys.begin()].has_value();
    }
  }
  for (auto [key, value] : llvm::zip(keys, values))
    if (value)
      rule.options.push_back({key.name.str(), *value});
  if (isOfLayers(method, rule) && (hasTargets || !rule.ignore.kinds.empty() || !rule.ignore.patterns.empty()))
    fail(node.location, "a rule for whole layers takes layers: it has no targets");
  if (!hasTargets) {
    Node all;
    all.text = "linear";
    parseTargets(all, rule.targets);
  }
  // What is missing because it was wrong has been told.
  if (std::string reason = sound ? checkKeys(method, rule) : ""; !reason.empty())
    fail(node.location, reason);
}

void Parser::parseStage(const Node &node, Recipe &recipe) {
  if (!expect(node, Node::Map, "a stage: one method and its rules"))
    return;
  if (node.items.size() != 2)
    return fail(node.location, "expected one method in a stage, got " + Twine(node.items.size() / 2) +
                                   "; hint: each method begins with a dash");
  const Node &name = node.items[0], &rules = node.items[1];
  const auto *method = llvm::find(kMethods, name.text);
  if (method == std::end(kMethods))
    return failUnknown(name, "method", {std::begin(kMethods), std::end(kMethods)});
  Stage &stage = recipe.stages.emplace_back();
  stage.method = Method(method - std::begin(kMethods));
  stage.line = lineOf(name.location);
  if (!expect(rules, Node::List, "a list of rules, each behind a dash"))
    return;
  if (rules.items.empty())
    fail(rules.location, "expected at least one rule");
  for (const Node &rule : rules.items)
    parseRule(rule, stage.method, stage);
}

/// What a stage would undo or could not work on.
void Parser::checkOrder(const Recipe &recipe, llvm::ArrayRef<llvm::SMLoc> locations) {
  auto isCodebook = [](const Stage &stage) {
    return stage.method == Method::Share &&
           llvm::any_of(stage.rules, [](const Rule &rule) { return rule.get("method") == "codebook"; });
  };
  for (size_t i = 0; i < recipe.stages.size(); ++i) {
    Method method = recipe.stages[i].method;
    for (const Stage &before : llvm::ArrayRef(recipe.stages).take_front(i)) {
      StringRef reason;
      if (before.method == Method::Quantize && method == Method::Quantize)
        reason = "quantizing what is quantized only loses; hint: several rules of one stage give several formats";
      else if (before.method == Method::Quantize && method != Method::Precision && !isCodebook(recipe.stages[i]))
        reason = "weights that are quantized can't be changed any more";
      else if (isCodebook(before) && method != Method::Precision && method != Method::Quantize)
        reason = "weights that are indices into a codebook can't be changed any more";
      else if (before.method == Method::Sparsify && method == Method::Factorize)
        reason = "the factors of a sparse weight are not sparse";
      else if (before.method == Method::Precision && method == Method::Precision)
        reason = "a model has one precision; hint: several rules of one stage give several";
      if (reason.empty())
        continue;
      fail(locations[i], "'" + getName(method) + "' behind '" + getName(before.method) + "' of line " +
                             Twine(before.line) + ": " + reason);
      break;
    }
  }
}

llvm::FailureOr<Recipe> Parser::run() {
  sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBuffer(buffer, /*RequiresNullTerminator=*/false), llvm::SMLoc());
  auto begin = llvm::SMLoc::getFromPointer(buffer.getBufferStart());
  if (buffer.getBufferSize() > kMaxBytes) {
    fail(begin, "a recipe is not that large");
    return llvm::failure();
  }
  Node root;
  root.location = begin;
  if (!readTree(root)) {
    if (!failed)
      fail(begin, "expected a recipe: 'stages:' and a list of them");
    return llvm::failure();
  }
  if (!expect(root, Node::Map, "a recipe: 'stages:' and a list of them"))
    return llvm::failure();
  Recipe recipe;
  bool hasStages = false;
  for (size_t i = 0; i < root.items.size(); i += 2) {
    const Node &name = root.items[i], &value = root.items[i + 1];
    if (name.text != "stages") {
      failUnknown(name, "key", {"stages"});
      continue;
    }
    if (hasStages) // told already
      continue;
    hasStages = true;
    if (!expect(value, Node::List, "a list of stages, each behind a dash"))
      continue;
    std::vector<llvm::SMLoc> locations;
    for (const Node &stage : value.items) {
      parseStage(stage, recipe);
      locations.resize(recipe.stages.size(), stage.location);
    }
    checkOrder(recipe, locations);
  }
  if (!hasStages && !failed)
    fail(root.location, "expected a recipe: 'stages:' and a list of them");
  if (failed)
    return llvm::failure();
  return recipe;
}

llvm::FailureOr<Recipe> recipe::parseRecipe(llvm::MemoryBufferRef buffer, Diagnose diagnose) {
  return Parser(buffer, diagnose).run();
}
