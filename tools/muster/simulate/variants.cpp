#include "tools/muster/simulate/variants.hpp"

#include "config/overlay.hpp"
#include "config/source.hpp"
#include "tools/muster/plugins.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fmt/format.h>
#include <optional>
#include <set>
#include <utility>

namespace muster::simulate {

namespace {

template <class T>
using made = result<T, config_errc>;

/// Plugins, keys and their files may be on another machine.
load_options how_to_read() {
  auto out = with_plugins(check_mode::check);
  out.variable = variable_or_placeholder;
  out.plugin_obstacle = {};
  out.connector_faults = {};
  out.policy_gaps = {};
  return out;
}

/// Tells each fault once, though the configuration is read again with each
/// policy.
class fault_teller {
public:
  void tell(const loaded_config& x, const text_file& base,
            const text_file& over) {
    for (const auto& one : x.diagnostics) {
      if (one.level < severity::warning)
        continue;
      const auto& in = one.path == over.path ? over : base;
      if (auto text = format_diagnostic(one, in.text);
          told_.insert(text).second)
        std::fprintf(stderr, "%s\n", text.c_str());
    }
  }

private:
  std::set<std::string> told_;
};

bool is_fatal(const loaded_config& x) {
  return std::ranges::any_of(
    x.diagnostics, [](const auto& y) { return y.level == severity::fatal; });
}

made<text_file> read_file(const std::string& path) {
  auto text = read_source(path);
  if (!text)
    return tl::unexpected{text.error()};
  return text_file{path, std::move(*text)};
}

/// `1 "ci", 2 "big"`.
std::string numbered(const std::vector<runner_config>& all) {
  std::string out;
  for (size_t i = 0; i < all.size(); ++i)
    out += fmt::format("{}{} {}", i == 0 ? "" : ", ", i + 1,
                       in_quotes(all[i].name));
  return out;
}

std::optional<size_t> number_in(const std::string& text) {
  size_t out = 0;
  const auto* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, out);
  if (error != std::errc{} || stop != end)
    return std::nullopt;
  return out;
}

made<runner_config> chosen(const config& from, const std::string& runner) {
  std::vector<runner_config> all;
  std::ranges::copy_if(from.runners, std::back_inserter(all),
                       [](const auto& x) { return x.autoscaler.has_value(); });
  if (all.empty())
    return fail(config_errc::not_valid,
                fmt::format("{}: there is no runner with [runners.autoscaler] "
                            "that can be served",
                            from.path));
  if (runner.empty() && all.size() == 1)
    return std::move(all.front());
  if (runner.empty())
    return fail(config_errc::not_valid,
                fmt::format("{}: there are several runners: choose one with "
                            "--runner, by its name or number: {}",
                            from.path, numbered(all)));
  auto is_named = [&runner](const auto& x) { return x.name == runner; };
  auto fitting = std::ranges::count_if(all, is_named);
  if (fitting == 1)
    return std::move(*std::ranges::find_if(all, is_named));
  if (fitting > 1)
    return fail(config_errc::not_valid,
                fmt::format("{}: {} runners are named {}: choose one with "
                            "--runner NUMBER: {}",
                            from.path, fitting, in_quotes(runner),
                            numbered(all)));
  if (auto number = number_in(runner);
      number && *number >= 1 && *number <= all.size())
    return std::move(all[*number - 1]);
  return fail(config_errc::not_valid,
              fmt::format("{}: there is no runner {} with "
                          "[runners.autoscaler] that can be served; there are "
                          "{}",
                          from.path, in_quotes(runner), numbered(all)));
}

/// The same one as it is with a policy.
made<runner_config> again(const config& from, const runner_config& base,
                          const std::string& policy) {
  for (const auto& x : from.runners)
    if (x.autoscaler && x.name == base.name && x.token == base.token)
      return x;
  return fail(config_errc::not_valid,
              fmt::format("with {} the runner {} cannot be served", policy,
                          in_quotes(base.name)));
}

/// A file's name without folder and ending; the whole path if another column
/// has that already, and a number if that is taken, too.
std::string column_name(const std::string& path,
                        const std::vector<std::string>& paths,
                        const std::vector<variant>& before) {
  constexpr std::string_view ending = ".toml";
  auto is_taken = [&before](const std::string& name) {
    return std::ranges::find(before, name, &variant::name) != before.end();
  };
  auto short_name = [ending](const std::string& x) {
    auto out = x.substr(x.find_last_of('/') + 1);
    if (out.ends_with(ending))
      out.resize(out.size() - ending.size());
    return out;
  };
  auto name = short_name(path);
  auto alike = std::ranges::count(paths, name, short_name);
  if (alike > 1 || is_taken(name))
    name = path;
  for (int number = 2; is_taken(name); ++number)
    name = fmt::format("{} ({})", path, number);
  return name;
}

} // namespace

made<std::vector<variant>>
read_variants(const std::string& config_path,
              const std::vector<std::string>& policies,
              const std::string& runner) {
  auto base = read_file(config_path);
  if (!base)
    return tl::unexpected{base.error()};
  fault_teller teller;
  auto as_it_is = parse_config(base->text, base->path, how_to_read());
  teller.tell(as_it_is, *base, *base);
  if (is_fatal(as_it_is))
    return fail(config_errc::not_valid, "");
  auto mine = chosen(as_it_is.value, runner);
  if (!mine)
    return tl::unexpected{mine.error()};
  std::vector<variant> out;
  out.push_back({"as it is", std::move(as_it_is.value), *mine});
  for (const auto& path : policies) {
    auto over = read_file(path);
    if (!over)
      return tl::unexpected{over.error()};
    auto with = parse_laid_over(*base, *over, how_to_read());
    teller.tell(with, *base, *over);
    if (is_fatal(with))
      return fail(config_errc::not_valid, "");
    auto same = again(with.value, *mine, path);
    if (!same)
      return tl::unexpected{same.error()};
    out.push_back({column_name(path, policies, out), std::move(with.value),
                   std::move(*same)});
  }
  return out;
}

} // namespace muster::simulate
