#include "tools/muster/admin/commands.hpp"

#include "config/log.hpp"
#include "config/source.hpp"
#include "tools/muster/plugins.hpp"
#include "tools/muster/service.hpp"

#include <algorithm>

namespace muster {

namespace {

int refuse(const std::string& why) {
  log::write(log::level::fatal, why);
  return 1;
}

/// The entry of the file, or one made of the flags.
result<std::string, config_errc> text_of(const single_options& options) {
  if (!options.runner.empty())
    return read_source(options.config_path);
  auto text = config_text::parse("[[runners]]\n", "the command line");
  auto values = options.more(options.executor);
  if (!values)
    return tl::unexpected{values.error()};
  values->push_back({{"name"}, options.name});
  values->push_back({{"url"}, options.url});
  values->push_back({{"token"}, options.token});
  values->push_back({{"executor"}, options.executor});
  for (const auto& x : *values)
    if (auto done = text->set(0, x.keys, x.value); !done)
      return tl::unexpected{done.error()};
  return text->text();
}

} // namespace

int run_single(const global_options& global, const single_options& options) {
  auto by_flags = options.runner.empty();
  if (by_flags
      && (options.url.empty() || options.token.empty()
          || options.executor.empty()))
    return refuse("--url, --token and --executor are needed, or --config and "
                  "--runner to take one of the file");
  auto text = text_of(options);
  if (!text)
    return refuse(text.error().text);
  auto path = by_flags ? std::string{"command-line"} : options.config_path;
  auto loaded
    = parse_config(std::move(*text), path, with_plugins(check_mode::run));
  auto& runners = loaded.value.runners;
  if (!by_flags) {
    std::erase_if(runners, [&](const runner_config& x) {
      return x.name != options.runner;
    });
    if (runners.size() > 1)
      return refuse("several runners are called " + options.runner
                    + ": give them names of their own");
    if (runners.empty())
      log::error("the file has no runner of this name that can be served",
                 {{"name", options.runner}});
  }
  loaded.value.concurrent = 1;
  service_limits limits;
  limits.must_serve = true;
  limits.jobs_max = options.builds_max;
  limits.idle_max = std::chrono::seconds{options.wait_timeout};
  return serve_loaded(global, std::move(loaded), limits);
}

} // namespace muster
