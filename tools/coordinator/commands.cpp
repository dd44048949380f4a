#include "tools/coordinator/commands.hpp"

#include "tools/coordinator/control_client.hpp"
#include "tools/coordinator/follow.hpp"
#include "tools/coordinator/trace_view.hpp"

#include <cstdio>
#include <fmt/format.h>
#include <fstream>
#include <iostream>
#include <iterator>

namespace muster::gitlab {

namespace {

using nlohmann::json;

int failed(const std::string& text) {
  fmt::print(stderr, "muster-coordinator: {}\n", text);
  return 1;
}

std::optional<std::string> read_file(const std::string& name) {
  if (name == "-")
    return std::string{std::istreambuf_iterator<char>{std::cin}, {}};
  std::ifstream file{name, std::ios::binary};
  if (!file)
    return std::nullopt;
  return std::string{std::istreambuf_iterator<char>{file}, {}};
}

/// Puts KEY=VALUE texts into an object; false, with a line, for another text.
bool put_all(const std::vector<std::string>& from, json& to) {
  for (const auto& text : from) {
    auto x = assignment_of(text);
    if (!x) {
      failed(fmt::format("\"{}\" is no KEY=VALUE", text));
      return false;
    }
    to[x->first] = x->second;
  }
  return true;
}

std::optional<json> job_of(const enqueue_settings& settings) {
  auto job = json::object();
  if (!settings.file.empty()) {
    auto text = read_file(settings.file);
    if (!text) {
      failed(fmt::format("cannot read {}", settings.file));
      return std::nullopt;
    }
    job = json::parse(*text, nullptr, false);
    if (!job.is_object()) {
      failed(fmt::format("{} holds no JSON object", settings.file));
      return std::nullopt;
    }
  }
  if (!settings.script.empty())
    job["script"] = settings.script;
  if (!settings.name.empty())
    job["name"] = settings.name;
  if (!settings.expect.empty())
    job["expect"] = settings.expect;
  auto variables = json::object();
  auto masked = json::object();
  if (!put_all(settings.variables, variables)
      || !put_all(settings.masked, masked))
    return std::nullopt;
  if (!variables.empty())
    job["variables"].update(variables);
  if (!masked.empty())
    job["masked"].update(masked);
  return job;
}

} // namespace

int enqueue(const enqueue_settings& settings) {
  auto job = job_of(settings);
  if (!job)
    return 1;
  control_client server{settings.server};
  auto made = server.post("jobs", {{"job", *job}, {"copies", settings.copies}});
  if (!made)
    return failed(made.error().text);
  for (const auto& id : (*made)["ids"])
    fmt::print("{}\n", id.get<int64_t>());
  return 0;
}

int pipeline(const pipeline_settings& settings) {
  auto text = read_file(settings.file);
  if (!text)
    return failed(fmt::format("cannot read {}", settings.file));
  if (!settings.manager_log.empty() && !read_file(settings.manager_log))
    return failed(fmt::format("cannot read {}", settings.manager_log));
  json body{{"yaml", *text},
            {"file", settings.file},
            {"variables", json::object()},
            {"masked", json::object()}};
  if (!put_all(settings.variables, body["variables"])
      || !put_all(settings.masked, body["masked"]))
    return 1;
  for (const auto& [key, value] : {std::pair{"project", &settings.project},
                                   {"ref", &settings.ref},
                                   {"sha", &settings.sha}})
    if (!value->empty())
      body[key] = *value;
  control_client server{settings.server};
  auto made = server.post("pipelines", body);
  if (!made)
    return failed(made.error().text);
  auto id = made->value("id", int64_t{0});
  for (const auto& warning :
       made->value("warnings", std::vector<std::string>{}))
    fmt::print(stderr, "{}\n", warning);
  if (!settings.follow) {
    fmt::print("{}\n", id);
    return 0;
  }
  follow_options how;
  how.colours = settings.colours;
  how.timeout = settings.timeout;
  how.manager_log = settings.manager_log;
  remote_feed feed{server, id};
  auto status = follow_pipeline(feed, how);
  return status ? *status : failed(status.error().text);
}

int wait(const wait_settings& settings) {
  control_client server{settings.server};
  auto what = settings.pipeline != 0
                ? fmt::format("pipeline={}", settings.pipeline)
                : fmt::format("job={}", settings.job);
  auto done = server.get(
    fmt::format("wait?{}&timeout_ms={}", what, settings.timeout.count()));
  if (!done)
    return failed(done.error().text);
  if (!done->value("ended", false))
    return failed(
      fmt::format("not ended within {} ms", settings.timeout.count()));
  return 0;
}

int trace(const std::string& url, int64_t job, bool plain) {
  control_client server{url};
  trace_view view;
  for (uint64_t offset = 0;;) {
    auto piece
      = server.get_text(fmt::format("jobs/{}/trace?offset={}", job, offset));
    if (!piece)
      return failed(piece.error().text);
    if (piece->empty())
      break;
    offset += piece->size();
    if (!plain)
      std::fwrite(piece->data(), 1, piece->size(), stdout);
    else
      for (const auto& line : view.feed(*piece))
        fmt::print("{}\n", line);
  }
  for (const auto& line : view.finish())
    fmt::print("{}\n", line);
  return 0;
}

int status(const std::string& url, int64_t job, bool as_json) {
  control_client server{url};
  auto got = server.get(job == 0 ? "jobs" : fmt::format("jobs/{}", job));
  if (!got)
    return failed(got.error().text);
  if (job != 0 || as_json) {
    fmt::print("{}\n", got->dump(2));
    return 0;
  }
  for (const auto& x : (*got)["jobs"])
    fmt::print("{:>6}  {:<9}  {:>4}  {:>9}  {}\n", x.value("id", int64_t{0}),
               x.value("state", ""), x.value("exit_code", 0),
               x.value("trace_size", uint64_t{0}), x.value("name", ""));
  return 0;
}

int cancel(const std::string& url, int64_t job, bool now) {
  control_client server{url};
  auto done = server.post(fmt::format("jobs/{}/cancel", job),
                          {{"mode", now ? "canceled" : "canceling"}});
  return done ? 0 : failed(done.error().text);
}

int fault_command(const fault_settings& settings) {
  control_client server{settings.server};
  if (settings.remove >= 0) {
    auto done = server.remove(settings.remove == 0
                                ? std::string{"faults"}
                                : fmt::format("faults/{}", settings.remove));
    return done ? 0 : failed(done.error().text);
  }
  bool lists = !settings.rule.contains("kind");
  auto got
    = lists ? server.get("faults") : server.post("faults", settings.rule);
  if (!got)
    return failed(got.error().text);
  fmt::print("{}\n", lists ? got->dump(2) : (*got)["id"].dump());
  return 0;
}

int violations(const std::string& url, bool as_json) {
  control_client server{url};
  auto got = server.get("violations");
  if (!got)
    return failed(got.error().text);
  auto total = got->value("total", uint64_t{0});
  if (as_json) {
    fmt::print("{}\n", got->dump(2));
    return total == 0 ? 0 : 1;
  }
  for (const auto& x : (*got)["last"])
    fmt::print("{} (job {}): {}\n", x.value("rule", ""),
               x.value("job", int64_t{0}), x.value("text", ""));
  fmt::print("{} violations\n", total);
  return total == 0 ? 0 : 1;
}

int counters(const std::string& url) {
  control_client server{url};
  auto got = server.get("counters");
  if (!got)
    return failed(got.error().text);
  fmt::print("{}\n", got->dump(2));
  return 0;
}

int shut_down(const std::string& url) {
  control_client server{url};
  auto done = server.post("shutdown", json::object());
  return done ? 0 : failed(done.error().text);
}

} // namespace muster::gitlab
