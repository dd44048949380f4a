#include "tools/coordinator/job_parts.hpp"
#include "tools/coordinator/job_spec.hpp"

#include <algorithm>
#include <ctime>
#include <fmt/format.h>

namespace muster::gitlab {

namespace {

using nlohmann::json;

std::string iso_time(int64_t at_us) {
  auto seconds = static_cast<std::time_t>(at_us / 1'000'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  auto size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text, size};
}

struct url_parts {
  std::string protocol;
  std::string host;
  std::string port;
};

url_parts parts_of(std::string_view url) {
  bool tls = url.starts_with("https:");
  std::string protocol = tls ? "https" : "http";
  url.remove_prefix(std::min(url.size(), url.find("://") + 3));
  url = url.substr(0, url.find('/'));
  auto colon = url.rfind(':');
  if (colon == std::string_view::npos || url.ends_with(']'))
    return {protocol, std::string{url}, tls ? "443" : "80"};
  return {protocol, std::string{url.substr(0, colon)},
          std::string{url.substr(colon + 1)}};
}

class variable_list {
public:
  void add(const char* key, std::string value) {
    list_.push_back({{"key", key},
                     {"value", std::move(value)},
                     {"public", true},
                     {"masked", false}});
  }

  void add_secret(const char* key, std::string value, bool masked) {
    list_.push_back({{"key", key},
                     {"value", std::move(value)},
                     {"public", false},
                     {"masked", masked}});
  }

  json take() {
    return std::move(list_);
  }

private:
  json list_ = json::array();
};

void add_job(variable_list& to, const job_view& job, const std::string& web) {
  to.add("CI_PIPELINE_ID", std::to_string(job.pipeline));
  to.add("CI_PIPELINE_URL",
         fmt::format("{}/-/pipelines/{}", web, job.pipeline));
  to.add("CI_JOB_ID", std::to_string(job.id));
  to.add("CI_JOB_URL", fmt::format("{}/-/jobs/{}", web, job.id));
  to.add_secret("CI_JOB_TOKEN", job.token, true);
  to.add("CI_JOB_STARTED_AT", iso_time(job.handed_out_us));
  to.add("CI_JOB_NAME", job.name);
  to.add("CI_JOB_NAME_SLUG", slug(job.name));
  to.add("CI_JOB_STAGE", job.stage);
  to.add("CI_JOB_TIMEOUT",
         std::to_string(job.what->payload.value(
           "/runner_info/timeout"_json_pointer, int64_t{3600})));
  if (job.what->node_index > 0)
    to.add("CI_NODE_INDEX", std::to_string(job.what->node_index));
  to.add("CI_NODE_TOTAL", std::to_string(job.what->node_total));
}

void add_server(variable_list& to, const std::string& url) {
  auto parts = parts_of(url);
  to.add("CI", "true");
  to.add("GITLAB_CI", "true");
  to.add("CI_SERVER_FQDN", parts.host + ":" + parts.port);
  to.add("CI_SERVER_URL", url);
  to.add("CI_SERVER_HOST", parts.host);
  to.add("CI_SERVER_PORT", parts.port);
  to.add("CI_SERVER_PROTOCOL", parts.protocol);
  to.add("CI_SERVER_NAME", "GitLab");
  to.add("CI_SERVER_VERSION", "19.4.0");
  to.add("CI_SERVER_VERSION_MAJOR", "19");
  to.add("CI_SERVER_VERSION_MINOR", "4");
  to.add("CI_SERVER_VERSION_PATCH", "0");
  to.add("CI_SERVER_REVISION", "0123abcd");
  to.add("CI_API_V4_URL", url + "/api/v4");
  to.add("GITLAB_FEATURES", "");
}

void add_project(variable_list& to, const job_view& job, int64_t id,
                 const std::string& web) {
  auto slash = job.project.rfind('/');
  auto name = job.project.substr(slash == std::string::npos ? 0 : slash + 1);
  auto space
    = slash == std::string::npos ? std::string{} : job.project.substr(0, slash);
  to.add("CI_PROJECT_ID", std::to_string(id));
  to.add("CI_PROJECT_NAME", name);
  to.add("CI_PROJECT_TITLE", name);
  to.add("CI_PROJECT_PATH", job.project);
  to.add("CI_PROJECT_PATH_SLUG", slug(job.project));
  to.add("CI_PROJECT_NAMESPACE", space);
  to.add("CI_PROJECT_ROOT_NAMESPACE", space.substr(0, space.find('/')));
  to.add("CI_PROJECT_URL", web);
  to.add("CI_PROJECT_VISIBILITY", "private");
  to.add("CI_DEFAULT_BRANCH", job.what->commit.default_branch);
}

void add_commit(variable_list& to, const commit_info& x) {
  to.add("CI_COMMIT_SHA", x.sha);
  to.add("CI_COMMIT_SHORT_SHA", x.sha.substr(0, 8));
  to.add("CI_COMMIT_BEFORE_SHA", x.before_sha);
  to.add("CI_COMMIT_REF_NAME", x.ref);
  to.add("CI_COMMIT_REF_SLUG", slug(x.ref));
  to.add(x.tag ? "CI_COMMIT_TAG" : "CI_COMMIT_BRANCH", x.ref);
  to.add("CI_COMMIT_MESSAGE", x.message);
  to.add("CI_COMMIT_TITLE", x.title);
  to.add("CI_COMMIT_DESCRIPTION", x.message.size() > x.title.size() + 1
                                    ? x.message.substr(x.title.size() + 1)
                                    : std::string{});
  to.add("CI_COMMIT_REF_PROTECTED", "false");
  to.add("CI_COMMIT_TIMESTAMP", x.timestamp);
  to.add("CI_COMMIT_AUTHOR", x.author);
}

} // namespace

json predefined_variables(const job_view& job, const std::string& server_url,
                          const project_list& projects) {
  variable_list list;
  const auto* where = projects.find(job.project);
  auto web = server_url + "/" + job.project;
  add_job(list, job, web);
  add_server(list, server_url);
  add_project(list, job, where == nullptr ? 1 : where->id, web);
  list.add("CI_PIPELINE_IID", std::to_string(job.pipeline));
  list.add("CI_PIPELINE_SOURCE", "push");
  list.add("CI_PIPELINE_CREATED_AT", iso_time(job.queued_us));
  add_commit(list, job.what->commit);
  list.add("CI_CONFIG_PATH", ".gitlab-ci.yml");
  list.add("CI_RUNNER_ID", "1");
  list.add("CI_RUNNER_DESCRIPTION", "test");
  list.add("CI_RUNNER_TAGS", "[]");
  list.add("GITLAB_USER_ID", "1");
  list.add("GITLAB_USER_EMAIL", "root@localhost");
  list.add("GITLAB_USER_LOGIN", "root");
  list.add("GITLAB_USER_NAME", "Administrator");
  auto scheme_end = server_url.find("://") + 3;
  list.add_secret("CI_REPOSITORY_URL",
                  fmt::format("{}gitlab-ci-token:{}@{}/{}.git",
                              server_url.substr(0, scheme_end), job.token,
                              server_url.substr(scheme_end), job.project),
                  false);
  if (!job.what->commit.cloneable)
    list.add("GIT_STRATEGY", "none"); // there is nothing to clone
  return list.take();
}

variable_map rule_variables(const commit_info& commit,
                            const std::string& project,
                            const std::string& server_url) {
  job_template what;
  what.commit = commit;
  what.payload = json::object();
  job_view sample;
  sample.project = project;
  sample.what = std::make_shared<const job_template>(std::move(what));
  variable_map out;
  for (const auto& x : predefined_variables(sample, server_url, {})) {
    auto key = x.value("key", std::string{});
    // What is made for each job is not there yet.
    if (!key.starts_with("CI_JOB_") && !key.starts_with("CI_RUNNER_")
        && !key.starts_with("CI_NODE_") && key != "CI_REPOSITORY_URL")
      out[key] = x.value("value", std::string{});
  }
  return out;
}

} // namespace muster::gitlab
