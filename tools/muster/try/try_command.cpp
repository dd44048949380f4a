#include "config/log.hpp"
#include "providers/local/host.hpp"
#include "tools/coordinator/follow.hpp"
#include "tools/coordinator/job_spec.hpp"
#include "tools/coordinator/pipeline/git_files.hpp"
#include "tools/coordinator/pipeline_file.hpp"
#include "tools/coordinator/test_gitlab.hpp"
#include "tools/muster/commands.hpp"
#include "tools/muster/try/interrupts.hpp"
#include "tools/muster/try/job_list.hpp"
#include "tools/muster/try/local_engine.hpp"
#include "tools/muster/try/manager_child.hpp"
#include "tools/muster/try/working_tree.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <optional>
#include <random>
#include <unistd.h>

namespace muster {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using std::chrono::steady_clock;

/// How long jobs have to end by themselves after Ctrl-C: a silent one hears of
/// it late.
constexpr std::chrono::seconds cancel_patience{10};
constexpr std::chrono::seconds stop_patience{40};
constexpr std::chrono::hours time_limit{24 * 7};
constexpr size_t told_max = 64; ///< of the manager's complaints
constexpr const char* docker_executor = "docker-autoscaler";
constexpr int failed_status = 1;
constexpr int usage_status = 2;
constexpr int interrupted_status = 130;

int failed(int status, const std::string& text) {
  fmt::print(stderr, "muster try: {}\n", text);
  return status;
}

bool wants_colours() {
  const char* term = std::getenv("TERM");
  const char* none = std::getenv("NO_COLOR");
  bool dumb = term != nullptr && std::string_view{term} == "dumb";
  return isatty(STDOUT_FILENO) == 1 && !dumb
         && (none == nullptr || *none == '\0');
}

std::string random_word() {
  std::random_device source;
  return fmt::format("{:08x}{:08x}{:08x}", source(), source(), source());
}

std::string ref_of(const working_tree& tree) {
  return tree.branch.empty() ? "HEAD" : tree.branch;
}

json given_variables(const try_options& options) {
  auto out = json::object();
  for (const auto& [key, value] : options.variables)
    out[key] = value;
  return out;
}

// -- the file
// ------------------------------------------------------------------

/// A pipeline's file and how it is named in messages.
struct named_text {
  std::string name;
  std::string text;
};

/// The file of `-f`, else that of the working tree.
std::optional<named_text> read_file(const try_options& options,
                                    const working_tree& tree) {
  named_text out{options.file, {}};
  if (out.name.empty()) {
    std::error_code ignored;
    auto path = fs::path{tree.top} / ".gitlab-ci.yml";
    auto near = fs::relative(path, fs::current_path(ignored), ignored);
    out.name = near.empty() ? path.string() : near.string();
  }
  std::ifstream in{out.name, std::ios::binary};
  out.text.assign(std::istreambuf_iterator<char>{in}, {});
  if (!in)
    return std::nullopt;
  return out;
}

gitlab::read_pipeline read_pipeline(const named_text& file,
                                    const try_options& options,
                                    const working_tree& tree,
                                    const gitlab::commit_info& commit) {
  gitlab::pipeline_context context;
  context.file = file.name;
  context.predefined
    = gitlab::rule_variables(commit, tree.project, "http://127.0.0.1");
  for (const auto& [key, value] : options.variables)
    context.given[key] = value;
  context.containers = options.executor == docker_executor;
  context.files = std::make_shared<gitlab::git_files>(
    tree.top, tree.sha, gitlab::git_files::from::working_tree);
  return gitlab::parse_pipeline(file.text, context);
}

/// Shows what there is to say; false if the pipeline cannot run.
bool show_notes(const gitlab::read_pipeline& pipeline) {
  for (const auto& x : pipeline.notes.diagnostics())
    fmt::print(stderr, "{}\n", pipeline.notes.shown(x));
  return pipeline.notes.passed();
}

// -- a run
// ---------------------------------------------------------------------

test_gitlab_options server_options(const working_tree& tree,
                                   const std::optional<local_engine>& engine) {
  test_gitlab_options out;
  if (engine)
    out.host = engine->gateway; // loopback is another one in a container
  out.control = false; // any user of this machine could queue a job with it
  out.repositories = {fmt::format("{}={}", tree.project, tree.top)};
  out.store.runner_tokens = {"glrt-" + random_word()};
  out.store.long_poll = std::chrono::seconds{20};
  return out;
}

/// What a pipeline of this commit is told besides its file.
json pipeline_options(const working_tree& tree, const try_options& options) {
  auto refspecs = json::array({fmt::format("+{}:refs/pipelines/1", tree.sha)});
  if (!tree.branch.empty())
    refspecs.push_back(
      fmt::format("+refs/heads/{0}:refs/remotes/origin/{0}", tree.branch));
  return {{"ref", ref_of(tree)},
          {"sha", tree.sha},
          {"default_branch", tree.default_branch},
          {"variables", given_variables(options)},
          {"payload", {{"git_info", {{"refspecs", refspecs}}}}}};
}

/// One run of a pipeline, from the server to the table.
class session {
public:
  /// `told` is what a manager will say, and was said already.
  session(const try_options& options, const working_tree& tree,
          std::optional<local_engine> engine, std::string told)
    : options_(options),
      tree_(tree),
      engine_(std::move(engine)),
      gitlab_(server_options(tree, engine_)),
      told_{std::move(told)} {
  }

  int run(const gitlab::pipeline_file& file, const std::string& name) {
    interrupts signals; // before there are threads
    if (auto started = gitlab_.start(); !started)
      return failed(failed_status, started.error().text);
    auto pipeline
      = gitlab_.run_pipeline(file, pipeline_options(tree_, options_), name);
    if (!pipeline)
      return failed(usage_status, pipeline.error().text);
    std::error_code ignored;
    auto state_dir = fs::absolute(options_.state_dir, ignored).string();
    auto place = try_folder::make(state_dir);
    if (!place)
      return failed(failed_status, place.error().text);
    auto manager = manager_child::start(
      *place, {gitlab_.url(), gitlab_.token(), cache_folder(state_dir),
               options_.concurrent, engine_, options_.image});
    if (!manager)
      return failed(failed_status, manager.error().text);
    return follow(*manager, signals, *pipeline);
  }

private:
  std::string cache_folder(const std::string& state_dir) const {
    auto name = fs::path{tree_.top}.filename().string();
    return fmt::format("{}/try/cache/{}-{:016x}", state_dir, name,
                       std::hash<std::string>{}(tree_.top));
  }

  int follow(manager_child& manager, interrupts& signals, int64_t pipeline) {
    signals.on_signal([&](int count) { interrupt(manager, pipeline, count); });
    bool lost = false;
    gitlab::follow_options how;
    how.colours = wants_colours();
    how.timeout = time_limit;
    how.by = gitlab::judgement::state;
    how.manager_log = manager.log_file();
    how.goes_on = [&] {
      if (signals.count() > 0)
        hurry(manager, pipeline);
      else
        show_news(manager);
      lost = !manager.is_alive();
      return !lost;
    };
    gitlab::local_feed feed{gitlab_.jobs(), pipeline};
    auto status = gitlab::follow_pipeline(feed, how);
    signals.on_signal(nullptr);
    if (lost && signals.count() == 0)
      return failed(failed_status,
                    fmt::format("the manager ended before the pipeline did; "
                                "it said:\n{}",
                                manager.complaints()));
    manager.stop(stop_patience);
    if (signals.count() > 0)
      return interrupted_status;
    return status ? *status : failed(failed_status, status.error().text);
  }

  /// What keeps jobs from beginning is in no job's log.
  void show_news(manager_child& manager) {
    for (auto& x : manager.news()) {
      auto same = [&x](const std::string& text) {
        return !text.empty() && x.find(text) != std::string::npos;
      };
      if (std::any_of(told_.begin(), told_.end(), same))
        continue;
      fmt::print(stderr, "muster try: the manager: {}\n", x);
      told_.push_back(std::move(x));
      if (told_.size() > told_max)
        told_.pop_front();
    }
  }

  /// The first Ctrl-C cancels as GitLab does it, a second one interrupts the
  /// manager, a third one ends it.
  void interrupt(manager_child& manager, int64_t pipeline, int count) {
    if (count == 1) {
      fmt::print(stderr, "\nmuster try: cancelling; Ctrl-C again ends the jobs "
                         "at once\n");
      gitlab_.jobs().cancel_pipeline(pipeline, true);
      return;
    }
    gitlab_.jobs().cancel_pipeline(pipeline, false);
    manager.signal(count == 2 ? SIGTERM : SIGKILL);
  }

  /// Ends what has not ended a while after the first Ctrl-C.
  void hurry(manager_child& manager, int64_t pipeline) {
    if (!hurries_at_)
      hurries_at_ = steady_clock::now() + cancel_patience;
    if (steady_clock::now() < *hurries_at_)
      return;
    gitlab_.jobs().cancel_pipeline(pipeline, false);
    manager.signal(SIGTERM);
    hurries_at_ = steady_clock::time_point::max();
  }

  const try_options& options_;
  const working_tree& tree_;
  std::optional<local_engine> engine_; ///< jobs run in its containers
  test_gitlab gitlab_;
  std::deque<std::string> told_; ///< once is enough
  std::optional<steady_clock::time_point> hurries_at_;
};

/// Why jobs cannot run in containers as they are; empty if they can.
std::string image_problem(const try_options& options,
                          const gitlab::pipeline_file& file) {
  for (const auto& job : file.jobs)
    if (!job.spec.contains("image") && options.image.empty())
      return fmt::format("job {} names no image: write image: into it or into "
                         "default:, or name one for all such jobs with --image",
                         job.name);
  return "";
}

int run_session(const try_options& options, const working_tree& tree,
                const gitlab::pipeline_file& file, const std::string& name) {
  std::optional<local_engine> engine;
  if (options.executor == docker_executor) {
    if (auto problem = image_problem(options, file); !problem.empty())
      return failed(usage_status, problem);
    auto found = find_local_engine();
    if (!found)
      return failed(failed_status, found.error().text);
    engine = std::move(*found);
  }
  auto here = local::survey_machine();
  if (!here)
    return failed(failed_status, here.error().text);
  if (!here->isolated)
    fmt::print(stderr, "muster try: {}\n", here->isolation_text);
  if (tree.changed)
    fmt::print(stderr,
               "muster try: jobs get commit {}; changes that are not committed "
               "are not in it\n",
               tree.sha.substr(0, 8));
  return session{options, tree, std::move(engine), here->isolation_text}.run(
    file, name);
}

} // namespace

int try_pipeline(const try_options& options) {
  // What there is to say is said here; the manager has a log of its own.
  log::configure("error", "runner");
  if (options.executor != docker_executor && options.executor != "instance")
    return failed(usage_status,
                  fmt::format("there is no executor \"{}\"; write instance or "
                              "docker-autoscaler",
                              options.executor));
  if (options.executor == "instance" && !options.image.empty())
    return failed(usage_status, "--image is for containers: write --executor "
                                "docker-autoscaler, too");
  std::error_code ignored;
  auto tree = find_working_tree(fs::current_path(ignored).string());
  if (!tree)
    return failed(usage_status, tree.error().text);
  auto commit = gitlab::commit_of({1, tree->project, tree->top}, ref_of(*tree),
                                  tree->sha);
  if (!commit)
    return failed(failed_status, commit.error().text);
  commit->default_branch = tree->default_branch;
  auto file = read_file(options, *tree);
  if (!file)
    return failed(
      usage_status,
      fmt::format("there is no {} that could be read; -f names "
                  "another file",
                  options.file.empty() ? ".gitlab-ci.yml" : options.file));
  auto pipeline = read_pipeline(*file, options, *tree, *commit);
  std::string problem;
  if (pipeline.notes.passed())
    problem = gitlab::select_jobs(pipeline.file, options.jobs, options.alone);
  if (!options.list && problem.empty())
    for (const auto& job : pipeline.file.jobs)
      for (const auto& x : job.refusals)
        pipeline.notes.refuse(x);
  if (!show_notes(pipeline))
    return usage_status;
  if (!problem.empty())
    return failed(usage_status, problem);
  if (options.list) {
    fmt::print("{}", job_list(pipeline.file));
    return 0;
  }
  return run_session(options, *tree, pipeline.file, file->name);
}

} // namespace muster
