#include "providers/fleeting/registry/challenge.hpp"

namespace muster::fleeting {

namespace {

constexpr std::string_view blanks = " \t";

bool is_token(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
         || (c >= '0' && c <= '9')
         || std::string_view{"!#$%&'*+-.^_`|~"}.find(c)
              != std::string_view::npos;
}

std::string lower(std::string_view text) {
  std::string out{text};
  for (auto& c : out)
    if (c >= 'A' && c <= 'Z')
      c = static_cast<char>(c - 'A' + 'a');
  return out;
}

struct reader {
  std::string_view left;

  void skip(std::string_view what) {
    auto at = left.find_first_not_of(what);
    left.remove_prefix(at == std::string_view::npos ? left.size() : at);
  }

  std::string token() {
    size_t size = 0;
    while (size < left.size() && is_token(left[size]))
      ++size;
    std::string out{left.substr(0, size)};
    left.remove_prefix(size);
    return out;
  }

  /// What stands behind `=`: a word, or a text in quotes.
  std::string value() {
    skip(blanks);
    if (!left.starts_with('"'))
      return token();
    left.remove_prefix(1);
    std::string out;
    while (!left.empty() && left[0] != '"') {
      if (left[0] == '\\' && left.size() > 1)
        left.remove_prefix(1);
      out += left[0];
      left.remove_prefix(1);
    }
    left.remove_prefix(left.empty() ? 0 : 1);
    return out;
  }
};

} // namespace

std::vector<challenge> parse_challenges(std::string_view header) {
  std::vector<challenge> out;
  reader from{header};
  for (;;) {
    from.skip(" \t,");
    if (from.left.empty())
      return out;
    auto word = from.token();
    if (word.empty()) {
      from.left.remove_prefix(1); // belongs to nothing
      continue;
    }
    from.skip(blanks);
    if (!from.left.starts_with('=')) {
      out.push_back({lower(word), {}});
      continue;
    }
    from.left.remove_prefix(1);
    auto value = from.value();
    if (!out.empty())
      out.back().parameters.emplace(lower(word), std::move(value));
  }
}

} // namespace muster::fleeting
