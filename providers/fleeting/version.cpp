#include "providers/fleeting/version.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <span>
#include <tuple>

namespace muster::fleeting {

namespace {

bool is_number(std::string_view text) {
  return !text.empty()
         && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// Nothing also for leading zeros and numbers beyond 64 bits.
std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t number = 0;
  if (!is_number(text) || (text.size() > 1 && text[0] == '0'))
    return std::nullopt;
  auto [end, bad]
    = std::from_chars(text.data(), text.data() + text.size(), number);
  return bad == std::errc{} ? std::optional{number} : std::nullopt;
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  for (;;) {
    auto dot = text.find('.');
    parts.push_back(text.substr(0, dot));
    if (dot == std::string_view::npos)
      return parts;
    text.remove_prefix(dot + 1);
  }
}

std::optional<std::vector<std::string>> parse_pre(std::string_view text) {
  constexpr std::string_view allowed
    = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-";
  std::vector<std::string> out;
  for (auto part : split(text)) {
    auto good = !part.empty()
                && part.find_first_not_of(allowed) == std::string_view::npos
                && !(is_number(part) && part.size() > 1 && part[0] == '0');
    if (!good)
      return std::nullopt;
    out.emplace_back(part);
  }
  return out;
}

/// The parts of `1`, `1.2` or `1.2.3-pre`; a pre-release needs all three.
std::optional<version_constraint> parse_parts(std::string_view text) {
  version_constraint out;
  auto dash = text.find('-');
  for (auto part : split(text.substr(0, dash))) {
    auto number = parse_number(part);
    if (!number || out.parts.size() == 3)
      return std::nullopt;
    out.parts.push_back(*number);
  }
  if (dash == std::string_view::npos)
    return out;
  auto pre = parse_pre(text.substr(dash + 1));
  if (!pre || out.parts.size() != 3)
    return std::nullopt;
  out.pre = std::move(*pre);
  return out;
}

/// Less than zero if `a` comes first. Numbers come before words; digits alone
/// are compared by value, whatever their size.
int compare(const std::string& a, const std::string& b) {
  auto a_number = is_number(a);
  auto b_number = is_number(b);
  if (a_number != b_number)
    return a_number ? -1 : 1;
  if (a_number && a.size() != b.size())
    return a.size() < b.size() ? -1 : 1;
  return a.compare(b);
}

} // namespace

std::optional<version> parse_version(std::string_view text) {
  auto parsed = parse_parts(text);
  if (!parsed || parsed->parts.size() != 3)
    return std::nullopt;
  return version{parsed->parts[0], parsed->parts[1], parsed->parts[2],
                 parsed->pre};
}

bool is_older(const version& a, const version& b) {
  auto numbers = [](const version& x) {
    return std::tuple{x.major_part, x.minor_part, x.patch};
  };
  if (numbers(a) != numbers(b))
    return numbers(a) < numbers(b);
  if (a.pre.empty() || b.pre.empty())
    return !a.pre.empty() && b.pre.empty();
  for (size_t i = 0; i < std::min(a.pre.size(), b.pre.size()); ++i)
    if (auto order = compare(a.pre[i], b.pre[i]); order != 0)
      return order < 0;
  return a.pre.size() < b.pre.size();
}

result<version_constraint, provider_errc>
parse_constraint(std::string_view tag) {
  if (tag.empty() || tag == "latest")
    return version_constraint{};
  if (auto parsed = parse_parts(tag))
    return *parsed;
  return fail(
    provider_errc::bad_config,
    fmt::format("parsing constraint: invalid semantic version \"{}\": "
                "write latest, 1, 1.2 or 1.2.3",
                tag));
}

bool allows(const version_constraint& constraint, const version& x) {
  const uint64_t parts[] = {x.major_part, x.minor_part, x.patch};
  return std::ranges::equal(constraint.parts,
                            std::span{parts}.first(constraint.parts.size()))
         && constraint.pre == x.pre;
}

} // namespace muster::fleeting
