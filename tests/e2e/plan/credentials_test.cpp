#include "tests/e2e/plan/dumb_git_server.hpp"
#include "tests/e2e/plan/each_shell.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace muster::test;

namespace {

/// Puts the repository where a server of plain files finds it.
void publish(const workplace& place) {
  place.prepare("git -C origin.git update-server-info; mkdir -p www/g; mv "
                "origin.git www/g/p.git; ln -s www/g/p.git origin.git");
}

} // namespace

TEST_CASE("the token fetches the sources and shows nowhere") {
  for (const std::string shell : {"bash", "dash"}) {
    for (const std::string traced : {"false", "true"}) {
      CAPTURE(shell);
      CAPTURE(traced);
      workplace place;
      publish(place);
      place.prepare(
        "printf '[credential]\\nhelper = store\\n' >>home/.gitconfig");
      auto job = job_at(place, {"cat file .git/config", "git remote -v",
                                "git fetch origin main",
                                "stat -c %a $RUNNER_TEMP_PROJECT_DIR/"
                                ".gitlab-runner.ext.conf"});
      auto token = job.token.reveal();
      dumb_git_server server{place.root() + "/www", "gitlab-ci-token", token};
      job.git.repo_url = secret{"http://gitlab-ci-token:" + token + "@"
                                + server.host() + "/g/p.git"};
      job.correlation_id = "corr-1";
      set(job, "CI_DEBUG_TRACE", traced);
      auto got = carry_out(plan_of(job).plan, shell, place);
      for (const auto& stage : got.stages) {
        CAPTURE(stage.name);
        CAPTURE(stage.result.err);
        CHECK_EQ(stage.result.exit_code, 0);
        CHECK_FALSE(has(stage.result.out + stage.result.err, token));
      }
      CHECK(has(got.of("step_script").out, "\none\n"));
      CHECK(has(got.of("step_script").out, "\n600\n"));
      CHECK(server.requests_served() > 0);
      CHECK(server.leaks().empty());
      for (const auto& id : server.correlation_ids())
        CHECK_EQ(id, "corr-1");
      CHECK_FALSE(place.exists(".git-credentials"));
      CHECK_EQ(place.prepare("grep -r -l -e " + token + " home || :"), "");
    }
  }
}

TEST_CASE("a wrong token fails the sources without asking anyone") {
  workplace place;
  publish(place);
  auto job = job_at(place, {"echo not reached"});
  dumb_git_server server{place.root() + "/www", "gitlab-ci-token", "other"};
  job.git.repo_url = secret{"http://" + server.host() + "/g/p.git"};
  auto got = carry_out(plan_of(job).plan, "bash", place);
  CHECK_EQ(got.of("get_sources").exit_code, 128);
  CHECK_FALSE(got.ran("step_script"));
  CHECK_EQ(server.requests_served(), 0);
}

TEST_CASE("git trusts the server by what GitLab is trusted by, and no more") {
  for (const std::string shell : {"bash", "dash"}) {
    CAPTURE(shell);
    workplace place;
    publish(place);
    place.prepare("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout "
                  "key.pem -out cert.pem -subj /CN=127.0.0.1 -addext "
                  "subjectAltName=IP:127.0.0.1 2>/dev/null");
    auto job = job_at(place, {"cat file", "cat $CI_SERVER_TLS_CA_FILE"});
    auto token = job.token.reveal();
    dumb_git_server server{place.root() + "/www", "gitlab-ci-token", token,
                           place.root()};
    job.git.repo_url = secret{"https://" + server.host() + "/g/p.git"};
    CHECK_EQ(
      carry_out(plan_of(job).plan, shell, place).of("get_sources").exit_code,
      128);
    CHECK_EQ(server.requests_served(), 0);
    job.tls_ca = secret{place.prepare("cat cert.pem")};
    auto got = carry_out(plan_of(job).plan, shell, place);
    CAPTURE(got.of("get_sources").err);
    CHECK_EQ(got.status, "success");
    CHECK(has(got.of("step_script").out, "-----BEGIN CERTIFICATE-----"));
    CHECK_GT(server.requests_served(), 0);
  }
}
