#include "tools/coordinator/yaml_tree.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <sstream>
#include <vector>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

namespace muster::gitlab {

namespace {

constexpr size_t text_max = size_t{2} << 20; ///< as GitLab's [bytes]
constexpr size_t keys_max = 2000;            ///< of one map
constexpr int depth_max = 64;

[[noreturn]] void malformed(yaml_mark at, std::string text) {
  throw yaml_refused{yaml_errc::malformed, at, std::move(text), {}};
}

/// Where documents start, and nothing else of them.
class document_starts : public YAML::EventHandler {
public:
  std::vector<YAML::Mark> marks;

  void OnDocumentStart(const YAML::Mark& at) override {
    marks.push_back(at);
  }
  void OnDocumentEnd() override {
  }
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {
  }
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {
  }
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {
  }
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
  }
  void OnSequenceEnd() override {
  }
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
  }
  void OnMapEnd() override {
  }
};

class reader {
public:
  reader(int file, yaml_budget& budget) : file_(file), budget_(budget) {
  }

  yaml_value read(const YAML::Node& x, int depth) {
    yaml_value result;
    result.at = mark_of(x);
    if (depth > depth_max)
      malformed(result.at, "too deep");
    budget_.take(1, x.IsScalar() ? x.Scalar().size() : 0, result.at);
    const auto& tag = x.Tag();
    bool is_reference = tag == "!reference";
    // Other tags of our own would change the meaning.
    if (!is_reference && tag.size() > 1 && tag.front() == '!')
      malformed(result.at, fmt::format("the tag {} is not supported", tag));
    switch (x.Type()) {
      case YAML::NodeType::Undefined:
      case YAML::NodeType::Null:
        break;
      case YAML::NodeType::Scalar:
        read_scalar(x, result);
        break;
      case YAML::NodeType::Sequence:
        result.is = yaml_value::kind::list;
        for (const auto& entry : x)
          result.list.push_back(read(entry, depth + 1));
        break;
      case YAML::NodeType::Map:
        read_map(x, result, depth);
        break;
    }
    if (is_reference) {
      check_reference(result);
      result.is = yaml_value::kind::reference;
    }
    return result;
  }

  yaml_mark mark_of(const YAML::Mark& mark) const {
    return mark.is_null() ? yaml_mark{1, 1, file_}
                          : yaml_mark{mark.line + 1, mark.column + 1, file_};
  }

private:
  yaml_mark mark_of(const YAML::Node& x) const {
    return mark_of(x.Mark());
  }

  static void check_reference(const yaml_value& x) {
    bool words = x.is == yaml_value::kind::list && !x.list.empty();
    for (const auto& entry : x.list)
      words &= entry.is == yaml_value::kind::scalar;
    if (!words)
      malformed(x.at, "!reference takes a list of names: [job, keyword]");
  }

  static void read_scalar(const YAML::Node& x, yaml_value& to) {
    to.is = yaml_value::kind::scalar;
    to.text = x.Scalar();
    bool quoted = x.Tag() == "!";
    if (!quoted && (to.text.empty() || to.text == "~" || to.text == "null"))
      to.is = yaml_value::kind::null;
  }

  void read_map(const YAML::Node& x, yaml_value& to, int depth) {
    to.is = yaml_value::kind::map;
    if (x.size() > keys_max)
      malformed(to.at, fmt::format("a map of more than {} keys", keys_max));
    std::vector<yaml_value> merged;
    for (const auto& pair : x) {
      auto at = mark_of(pair.first);
      if (!pair.first.IsScalar())
        malformed(at, "a key that is not text");
      auto value = read(pair.second, depth + 1);
      if (pair.first.Scalar() != "<<") {
        put(to, {pair.first.Scalar(), at, std::move(value)});
      } else if (value.is == yaml_value::kind::list) {
        for (auto& entry : value.list)
          merged.push_back(std::move(entry));
      } else {
        merged.push_back(std::move(value));
      }
    }
    for (auto& from : merged) {
      if (from.is != yaml_value::kind::map)
        malformed(from.at, "<< takes a map or a list of maps");
      for (auto& entry : from.map)
        if (to.find(entry.key) == nullptr)
          to.map.push_back(std::move(entry));
    }
    if (to.map.size() > keys_max)
      malformed(to.at, fmt::format("a map of more than {} keys", keys_max));
  }

  static void put(yaml_value& to, yaml_value::entry&& what) {
    auto same = [&](const auto& x) { return x.key == what.key; };
    auto at = std::find_if(to.map.begin(), to.map.end(), same);
    if (at != to.map.end())
      *at = std::move(what);
    else
      to.map.push_back(std::move(what));
  }

  int file_;
  yaml_budget& budget_;
};

/// yaml-cpp takes some characters, as a comma, for an empty document and does
/// not go on from there: all documents of such a text would fill the memory.
void check_documents(const std::string& text, const reader& from) {
  std::istringstream in{text};
  YAML::Parser parser{in};
  document_starts found;
  while (found.marks.size() < 2 && parser.HandleNextDocument(found))
    ;
  if (found.marks.size() < 2)
    return;
  auto at = from.mark_of(found.marks.back());
  if (found.marks.front().pos == found.marks.back().pos)
    malformed(at, "no value can begin here");
  malformed(at, "a second document: a header with spec:inputs is not "
                "supported");
}

} // namespace

const yaml_value::entry* yaml_value::find_entry(std::string_view key) const {
  for (const auto& x : map)
    if (x.key == key)
      return &x;
  return nullptr;
}

const yaml_value* yaml_value::find(std::string_view key) const {
  const auto* x = find_entry(key);
  return x == nullptr ? nullptr : &x->value;
}

std::string placed(const std::string& file, yaml_mark at,
                   std::string_view text) {
  return fmt::format("{}:{}:{}: {}", file, at.line, at.column, text);
}

void yaml_budget::take(size_t values, size_t bytes, yaml_mark at) {
  if (values > values_left_ || bytes > bytes_left_)
    malformed(at, "too many values: aliases, references and extends multiply "
                  "them");
  values_left_ -= values;
  bytes_left_ -= bytes;
}

void yaml_budget::take(const yaml_value& x) {
  take(1, x.text.size(), x.at);
  for (const auto& entry : x.list)
    take(entry);
  for (const auto& entry : x.map) {
    take(0, entry.key.size(), entry.at);
    take(entry.value);
  }
}

yaml_value read_yaml(const std::string& text, int file, yaml_budget& budget) {
  if (text.size() > text_max)
    malformed({1, 1, file}, "the file is larger than 2 MiB");
  reader from{file, budget};
  try {
    check_documents(text, from);
    return from.read(YAML::Load(text), 0);
  } catch (const YAML::Exception& problem) {
    malformed(from.mark_of(problem.mark), problem.msg);
  }
}

} // namespace muster::gitlab
