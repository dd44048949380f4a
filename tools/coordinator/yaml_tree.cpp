#include "tools/coordinator/yaml_tree.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

namespace muster::gitlab {

namespace {

using nlohmann::json;

constexpr size_t text_max = size_t{4} << 20; ///< [bytes]
constexpr size_t values_max = 200'000; ///< after aliases: they can multiply
constexpr int depth_max = 64;

struct refused {
  yaml_mark at;
  std::string text;
};

yaml_mark mark_of(const YAML::Node& x) {
  auto mark = x.Mark();
  return mark.is_null() ? yaml_mark{}
                        : yaml_mark{mark.line + 1, mark.column + 1};
}

class reader {
public:
  yaml_value read(const YAML::Node& x, int depth) {
    yaml_value result;
    result.at = mark_of(x);
    if (++count_ > values_max || depth > depth_max)
      throw refused{result.at, "too deep or too many values"};
    check_tag(x, result.at);
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
    return result;
  }

private:
  /// Tags of our own, as GitLab's !reference, would change the meaning.
  static void check_tag(const YAML::Node& x, yaml_mark at) {
    const auto& tag = x.Tag();
    if (tag.size() > 1 && tag.front() == '!')
      throw refused{at, fmt::format("the tag {} is not supported", tag)};
  }

  static void read_scalar(const YAML::Node& x, yaml_value& to) {
    to.is = yaml_value::kind::scalar;
    to.text = x.Scalar();
    to.quoted = x.Tag() == "!";
    if (!to.quoted && (to.text.empty() || to.text == "~" || to.text == "null"))
      to.is = yaml_value::kind::null;
  }

  void read_map(const YAML::Node& x, yaml_value& to, int depth) {
    to.is = yaml_value::kind::map;
    std::vector<yaml_value> merged;
    for (const auto& pair : x) {
      auto at = mark_of(pair.first);
      if (!pair.first.IsScalar())
        throw refused{at, "a key that is not text"};
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
        throw refused{from.at, "<< takes a map or a list of maps"};
      for (auto& entry : from.map)
        if (to.find(entry.key) == nullptr)
          to.map.push_back(std::move(entry));
    }
  }

  static void put(yaml_value& to, yaml_value::entry&& what) {
    auto same = [&](const auto& x) { return x.key == what.key; };
    auto at = std::find_if(to.map.begin(), to.map.end(), same);
    if (at != to.map.end())
      *at = std::move(what);
    else
      to.map.push_back(std::move(what));
  }

  size_t count_ = 0;
};

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

result<yaml_value, yaml_errc> parse_yaml(const std::string& text,
                                         const std::string& file) {
  auto malformed = [&](yaml_mark at, std::string_view why) {
    return fail(yaml_errc::malformed, placed(file, at, why));
  };
  if (text.size() > text_max)
    return malformed({}, "the file is larger than 4 MiB");
  try {
    return reader{}.read(YAML::Load(text), 0);
  } catch (const YAML::Exception& problem) {
    yaml_mark at{problem.mark.line + 1, problem.mark.column + 1};
    return malformed(at, problem.msg);
  } catch (const refused& problem) {
    return malformed(problem.at, problem.text);
  }
}

json to_json(const yaml_value& x) {
  switch (x.is) {
    case yaml_value::kind::null:
      return nullptr;
    case yaml_value::kind::list: {
      json list = json::array();
      for (const auto& entry : x.list)
        list.push_back(to_json(entry));
      return list;
    }
    case yaml_value::kind::map: {
      json object = json::object();
      for (const auto& entry : x.map)
        object[entry.key] = to_json(entry.value);
      return object;
    }
    case yaml_value::kind::scalar:
      break;
  }
  if (x.quoted)
    return x.text;
  if (x.text == "true" || x.text == "false")
    return x.text == "true";
  int64_t number = 0;
  const auto* end = x.text.data() + x.text.size();
  auto [stop, error] = std::from_chars(x.text.data(), end, number);
  // "007" and "+1" stay text: as a number they would come back otherwise.
  if (error == std::errc{} && stop == end && std::to_string(number) == x.text)
    return number;
  return x.text;
}

} // namespace muster::gitlab
