#include "tests/e2e/plan/each_shell.hpp"

using namespace muster;
using namespace muster::test;

TEST_CASE("a fetched job finds its sources and cleans up what it was given") {
  with_each_shell([](workplace& place, auto run) {
    auto job = job_at(place, {"cat file dir/file", "pwd", "echo x >left"});
    job.correlation_id = "0123";
    auto got = run(job);
    auto dir = place.home() + '/' + project;
    CHECK_EQ(got.status, "success");
    auto host = place.prepare("uname -n");
    host.pop_back();
    CHECK_EQ(got.of("prepare_script").out,
             "Running on " + host + " via manager-1...\n");
    CHECK_EQ(got.of("get_sources").out,
             notice("Gitaly correlation ID: 0123")
               + notice("Fetching changes...")
               + "Initialized empty Git repository in " + dir + "/.git/\n"
               + notice("Created fresh repository.")
               + notice("Checking out " + job.git.sha.substr(0, 8)
                        + " as detached HEAD (ref is main)...")
               + notice("Skipping Git submodules setup"));
    CHECK_EQ(got.of("step_script").out, notice("$ cat file dir/file")
                                          + "one\ntwo\n" + notice("$ pwd") + dir
                                          + '\n' + notice("$ echo x >left"));
    for (const auto& stage : got.stages) {
      CAPTURE(stage.name);
      CHECK_EQ(stage.result.err, "");
    }
    CHECK_EQ(got.of("cleanup_file_variables").out, "");
    CHECK_FALSE(place.exists(project + ".tmp/gitlab_runner_env"));
    CHECK_FALSE(place.exists(project + ".tmp/.gitlab-runner.ext.conf"));
    CHECK_FALSE(place.exists(project + ".tmp/git-template"));
    CHECK(place.exists(project + "/left"));
  });
}

TEST_CASE("the next fetch takes what is new and removes what was left") {
  with_each_shell([](workplace& place, auto run) {
    run(job_at(place, {"echo x >left", "echo changed >file"}));
    place.prepare("cd work; echo three >file; git commit -q -a -m third; git "
                  "push -q ../origin.git main");
    auto got = run(job_at(place, {"cat file", "test ! -e left"}));
    CHECK_EQ(got.status, "success");
    CHECK_FALSE(has(got.of("get_sources").out, "Created fresh repository."));
    CHECK(has(got.of("get_sources").out, "Removing left\n"));
    CHECK(has(got.of("step_script").out, "three\n"));
  });
}

TEST_CASE("clean flags decide what of the last job stays") {
  with_each_shell([](workplace& place, auto run) {
    run(job_at(place, {"echo x >left"}));
    auto job = job_at(place, {"cat left"});
    set(job, "GIT_CLEAN_FLAGS", "none");
    CHECK_EQ(run(job).status, "success");
    set(job, "GIT_CLEAN_FLAGS", "-ffdx -e left");
    CHECK_EQ(run(job).status, "success");
  });
}

TEST_CASE("a clone begins with an empty folder, also over one without rights") {
  with_each_shell([](workplace& place, auto run) {
    run(job_at(place, {"mkdir -p m/n; touch m/n/f; chmod a-w m/n m"}));
    auto job = job_at(place, {"test ! -e m", "cat file"});
    job.allow_git_fetch = false;
    auto got = run(job);
    CHECK_EQ(got.status, "success");
    CHECK(has(got.of("get_sources").out, "Created fresh repository."));
  });
}

TEST_CASE("without a repository the folder is made and nothing fetched") {
  with_each_shell([](workplace& place, auto run) {
    auto job = job_at(place, {"pwd; touch left; ls -A"});
    job.git.repo_url = secret{"https://nowhere.invalid/g/p.git"};
    job.hooks = {{"pre_get_sources_script", {"echo not wanted"}}};
    set(job, "GIT_STRATEGY", "none");
    auto got = run(job);
    CHECK_EQ(got.status, "success");
    auto skipped = notice("Skipping Git checkout")
                   + notice("Skipping Git submodules setup");
    CHECK_EQ(got.of("get_sources").out,
             notice("Skipping Git repository setup") + skipped);
    CHECK(has(got.of("step_script").out, "/builds/ABCDEFGHI/0/g/p\nleft\n"));
    set(job, "GIT_STRATEGY", "empty");
    for (int i = 0; i < 2; ++i) {
      got = run(job);
      CHECK_EQ(got.of("get_sources").out,
               notice("Skipping Git repository setup and creating an empty "
                      "build directory")
                 + skipped);
      CHECK(has(got.of("step_script").out, "/g/p-empty\nleft\n"));
    }
  });
}

TEST_CASE("a depth makes the history shallow, none makes it whole again") {
  with_each_shell([](workplace& place, auto run) {
    auto job = job_at(place, {"git rev-list --count HEAD"});
    job.git.depth = 1;
    auto got = run(job);
    CHECK(has(got.of("get_sources").out,
              notice("Fetching changes with git depth set to 1...")));
    CHECK(has(got.of("step_script").out, "\n1\n"));
    job.git.depth = 0;
    got = run(job);
    CHECK_EQ(got.of("get_sources").err, "");
    CHECK(has(got.of("step_script").out, "\n2\n"));
  });
}

TEST_CASE("a checkout can be left out") {
  with_each_shell([](workplace& place, auto run) {
    auto job = job_at(place, {"ls"});
    set(job, "GIT_CHECKOUT", "false");
    auto got = run(job);
    CHECK(has(got.of("get_sources").out,
              notice("Skipping Git checkout")
                + notice("Skipping Git submodules setup")));
    CHECK_EQ(got.of("step_script").out, notice("$ ls"));
  });
}

TEST_CASE("locks and planted configuration do not reach the next job") {
  with_each_shell([](workplace& place, auto run) {
    run(job_at(place, {"true"}));
    // As a job leaves it that was killed before its cleaning up.
    place.prepare(
      "cd home/" + project
      + "; git config core.hooksPath .git/hooks; touch "
        ".git/index.lock .git/shallow.lock .git/HEAD.lock "
        ".git/config.lock .git/refs/remotes/origin/main.lock; mkdir "
        "-p .git/hooks; printf '#!/bin/sh\\necho planted' "
        ">.git/hooks/post-checkout; chmod +x "
        ".git/hooks/post-checkout");
    auto got = run(job_at(place, {"git config core.hooksPath || echo none"}));
    CHECK_EQ(got.status, "success");
    CHECK_FALSE(has(got.of("get_sources").out, "planted"));
    CHECK(has(got.of("step_script").out, "\nnone\n"));
  });
}

TEST_CASE("a kept git configuration gets the job's URL and settings") {
  with_each_shell([](workplace& place, auto run) {
    runner_config config;
    config.clean_git_config = false;
    auto job = job_at(place, {"git config user.mine kept"});
    CHECK_EQ(run(job, config).status, "success");
    place.prepare("git -C home/" + project + " remote set-url origin /nowhere");
    job.steps.front().script
      = {"git config user.mine", "git config --get-all include.path"};
    auto got = run(job, config);
    CHECK_EQ(got.status, "success");
    CHECK_FALSE(has(got.of("get_sources").out, "Created fresh repository."));
    CHECK(has(got.of("step_script").out, "\nkept\n"));
    CHECK(has(got.of("step_script").out, '\n' + place.home() + '/' + project
                                           + ".tmp/.gitlab-runner.ext.conf\n"));
  });
}

TEST_CASE(
  "submodules are set up, again when they change, recursively if asked") {
  with_each_shell([](workplace& place, auto run) {
    place.prepare(
      "git init -q leaf; cd leaf; echo leaf >f; git add f; git "
      "commit -q -m leaf; cd ..; git init -q sub; cd sub; git "
      "submodule --quiet add ../leaf leaf; git commit -q -m sub; cd "
      "../work; git submodule --quiet add ../sub s; git commit -q -m "
      "s; git push -q ../origin.git main");
    auto job = job_at(place, {"ls s s/leaf"});
    set(job, "GIT_SUBMODULE_STRATEGY", "normal");
    auto got = run(job);
    CAPTURE(got.of("get_sources").out);
    CAPTURE(got.of("get_sources").err);
    CHECK_EQ(got.status, "success");
    CHECK(has(got.of("get_sources").out,
              notice("Updating/initializing submodules...")));
    CHECK(has(got.of("get_sources").out, notice("Updated submodules")));
    CHECK(has(got.of("step_script").out, "s:\nleaf\n\ns/leaf:\n"));
    place.prepare(
      "cd leaf; echo new >f; git commit -q -a -m new; cd "
      "../sub; git submodule --quiet update --init --remote; git "
      "commit -q -a -m new; cd ../work; git submodule --quiet update "
      "--init --remote; git commit -q -a -m new; git push -q "
      "../origin.git main");
    job = job_at(place, {"cat s/leaf/f"});
    set(job, "GIT_SUBMODULE_STRATEGY", "recursive");
    set(job, "GIT_SUBMODULE_DEPTH", "1");
    for (int i = 0; i < 2; ++i) {
      got = run(job);
      CAPTURE(got.of("get_sources").out);
      CAPTURE(got.of("get_sources").err);
      CHECK_EQ(got.status, "success");
      CHECK(has(got.of("get_sources").out,
                notice("Updating/initializing submodules recursively with git "
                       "depth set to 1...")));
      CHECK(has(got.of("step_script").out, "\nnew\n"));
    }
  });
}

TEST_CASE("a commit that is not there fails the sources, not the clean-up") {
  with_each_shell([](workplace& place, auto run) {
    auto job = job_at(place, {"echo not reached"});
    job.git.sha = std::string(40, '1');
    auto got = run(job);
    CHECK(got.of("get_sources").exit_code != 0);
    CHECK_FALSE(got.ran("step_script"));
    CHECK_EQ(got.of("cleanup_file_variables").exit_code, 0);
    CHECK_FALSE(place.exists(project + ".tmp/.gitlab-runner.ext.conf"));
  });
}

TEST_CASE("before a further try the work tree is emptied") {
  for (const std::string shell : {"bash", "dash"}) {
    CAPTURE(shell);
    workplace place;
    auto job = job_at(place, {"touch left"});
    set(job, "GET_SOURCES_ATTEMPTS", "2");
    auto plan = plan_of(job).plan;
    shell_options options;
    options.directory = place.home();
    const auto& clearing = plan.stages[1].before_retry;
    CHECK_EQ(run_shell(shell, clearing, options).exit_code, 0);
    carry_out(plan, shell, place);
    CHECK_EQ(run_shell(shell, clearing, options).exit_code, 0);
    CHECK_EQ(place.prepare("ls -A home/" + project), ".git\n");
  }
}

TEST_CASE("a trusted folder is written down once") {
  with_each_shell([](workplace& place, auto run) {
    runner_config config;
    config.safe_directory_checkout = true;
    auto job = job_at(place, {"true"});
    CHECK_EQ(run(job, config).status, "success");
    CHECK_EQ(run(job, config).status, "success");
    CHECK_EQ(place.prepare("git config --global --get-all safe.directory"),
             place.home() + '/' + project + '\n');
  });
}

TEST_CASE("repositories of another object format are fetched twice") {
  with_each_shell([](workplace& place, auto run) {
    place.prepare("rm -rf work origin.git; git init -q --object-format=sha256 "
                  "work; cd work; echo x >file; git add file; git commit -q -m "
                  "x; git clone -q --bare . ../origin.git");
    auto job = job_at(place, {"cat file"});
    job.git.object_format = "sha256";
    CHECK_EQ(run(job).status, "success");
    auto got = run(job);
    CAPTURE(got.of("get_sources").err);
    CHECK_EQ(got.status, "success");
  });
}

TEST_CASE("a git that can clone any ref does so at once, if it is wanted") {
  with_each_shell([](workplace& place, auto run) {
    auto job = job_at(place, {"cat file"});
    job.allow_git_fetch = false;
    set(job, "FF_USE_GIT_NATIVE_CLONE", "true");
    set(job, "GIT_CLONE_EXTRA_FLAGS", "--no-tags --quiet");
    CHECK(has(run(job).of("get_sources").out, notice("Fetching changes...")));
    // A stand-in of a newer one, which notes how it is called.
    place.prepare(R"(mkdir home/bin
cat >home/bin/git <<'END'
#!/bin/sh
case $1 in version) echo 'git version 2.50.1 (x)'; exit ;; esac
for word; do
  case $word in
  --revision) exit 3 ;;
  clone) echo "$*" >>"$HOME/clones" ;;
  esac
done
exec /usr/bin/git "$@"
END
chmod +x home/bin/git)");
    set(job, "PATH", place.home() + "/bin:/usr/bin:/bin");
    job.git.depth = 1;
    auto got = run(job);
    CAPTURE(got.of("get_sources").err);
    CHECK_EQ(got.status, "success");
    CHECK_FALSE(has(got.of("get_sources").out, "Fetching"));
    CHECK(
      has(got.of("get_sources").out,
          notice("Cloning repository for main with git depth set to 1...")));
    CHECK(has(got.of("step_script").out, "one\n"));
    auto clones = place.read("clones");
    CHECK(has(clones, " clone --no-checkout file://" + place.repository()));
    CHECK(has(clones, " --depth 1 --branch main --no-tags --quiet\n"));
    job.git.ref = "refs/merge-requests/1/head";
    CHECK_EQ(run(job).of("get_sources").exit_code, 3);
    job.allow_git_fetch = true; // the strategy fetch
    CHECK(has(run(job).of("get_sources").out, "Fetching changes"));
  });
}

TEST_CASE("hooks after git are left out like those before without git") {
  with_each_shell([](workplace& place, auto run) {
    runner_config config;
    config.post_get_sources_script = "echo of the runner";
    auto job = job_at(place, {"true"});
    job.hooks = {{"post_get_sources_script", {"echo of the job"}}};
    auto got = run(job, config);
    CHECK(has(got.of("get_sources").out, "\nof the job\n"));
    CHECK(has(got.of("get_sources").out, "\nof the runner\n"));
    set(job, "GIT_STRATEGY", "none");
    CHECK_FALSE(has(run(job, config).of("get_sources").out, "of the"));
  });
}
