#include "tests/e2e/plan/each_shell.hpp"

using namespace muster;
using namespace muster::test;

TEST_CASE("scripts around the sources and the build run in their order") {
  with_each_shell([](workplace& place, auto run) {
    auto job = job_at(place, {"echo script"});
    job.hooks = {{"post_get_sources_script", {"echo job-post; cat file"}},
                 {"pre_get_sources_script", {"echo job-pre; pwd"}}};
    runner_config config;
    config.pre_get_sources_script = "echo config-pre";
    config.post_get_sources_script = "echo config-post";
    config.pre_build_script = "echo\necho pre-build";
    config.post_build_script = "echo post-build";
    auto got = run(job, config);
    const auto& sources = got.of("get_sources").out;
    CHECK(sources.starts_with(notice("$ echo config-pre") + "config-pre\n"
                              + notice("$ echo job-pre; pwd") + "job-pre\n"
                              + place.home() + "\n"));
    CHECK(sources.ends_with(notice("$ echo job-post; cat file")
                            + "job-post\none\n" + notice("$ echo config-post")
                            + "config-post\n"));
    CHECK_EQ(got.of("step_script").out,
             notice("$ echo # collapsed multi-line command") + "\npre-build\n"
               + notice("$ echo script") + "script\n"
               + notice("$ echo post-build") + "post-build\n");
  });
}

TEST_CASE("a failing command ends its step, after_script is told") {
  with_each_shell([](workplace& place, auto run) {
    auto job = job_at(place, {"sh -c 'exit 42'", "echo not reached"});
    set(job, "GIT_STRATEGY", "none");
    job.steps.push_back(
      {"after_script", {"echo \"it $CI_JOB_STATUS\"", "pwd"}});
    job.steps.push_back({"later", {"echo not reached"}});
    auto got = run(job);
    CHECK_EQ(got.of("step_script").exit_code, 42);
    CHECK_EQ(got.of("step_script").out, notice("$ sh -c 'exit 42'"));
    CHECK_FALSE(got.ran("step_later"));
    CHECK_EQ(got.of("after_script").out,
             notice("Running after script...")
               + notice("$ echo \"it $CI_JOB_STATUS\"") + "it failed\n"
               + notice("$ pwd") + place.home() + '/' + project + '\n');
    CHECK(got.ran("cleanup_file_variables"));
  });
}

TEST_CASE("variables arrive expanded, file variables as paths of files") {
  with_each_shell([](workplace& place, auto run) {
    auto job = job_at(place, {"printf '%s|' \"$A\" \"$B\" \"$Q\" \"$P\"; echo",
                              "cat \"$F\"; echo", "echo \"$F\"", "cat $G"});
    set(job, "GIT_STRATEGY", "none");
    set(job, "A", "a $G");
    set(job, "B", "it's \\n \"b\"\n$$HOME\xc3\xa9");
    set(job, "Q", "`id` $(id) *");
    set(job, "P", "$CI_PROJECT_DIR/x:$F");
    set(job, "F", "line\n'end'\n\n", true);
    set(job, "G", "g", true);
    auto got = run(job);
    auto dir = place.home() + '/' + project;
    CHECK_EQ(got.status, "success");
    const auto& out = got.of("step_script").out;
    CHECK(has(out, "\na " + dir
                     + ".tmp/G|it's \\n \"b\"\n$HOME\xc3\xa9|`id` $(id) *|"
                     + dir + "/x:" + dir + ".tmp/F|\n"));
    CHECK(has(out, "\nline\n'end'\n\n\n"));
    CHECK(has(out, '\n' + dir + ".tmp/F\n"));
    CHECK(out.ends_with("\ng"));
    CHECK_FALSE(place.exists(project + ".tmp/F"));
    CHECK_FALSE(place.exists(project + ".tmp/G"));
  });
}

TEST_CASE("what a job writes to GITLAB_ENV is there in its later stages") {
  with_each_shell([](workplace& place, auto run) {
    auto job = job_at(place, {"echo 'A=x y=$HOME' >>$GITLAB_ENV",
                              "printf 'no name\\n\\n1=2\\nB=' >>$GITLAB_ENV",
                              "printf last >>$GITLAB_ENV"});
    set(job, "GIT_STRATEGY", "none");
    job.steps.push_back({"later", {"echo \"[$A][$B]\"", "exit 1"}});
    job.steps.push_back({"after_script", {"echo \"[$A]\""}});
    auto got = run(job);
    auto ignored = std::string{"\x1b[0;33mA line in the file of GITLAB_ENV is "
                               "not KEY=VALUE: ignored\x1b[0;m\n"};
    CHECK_EQ(got.of("step_later").out,
             ignored + ignored + notice("$ echo \"[$A][$B]\"")
               + "[x y=$HOME][last]\n" + notice("$ exit 1"));
    CHECK(has(got.of("after_script").out, "[x y=$HOME]\n"));
    job.steps = {{"script", {"echo \"[$A]\""}}};
    CHECK(has(run(job).of("step_script").out, "\n[]\n"));
  });
}

TEST_CASE("settings that cannot be used fail getting the sources in words") {
  struct row {
    std::string key;
    std::string value;
  };
  const row rows[]
    = {{"GIT_STRATEGY", "copy"}, {"GIT_SUBMODULE_STRATEGY", "deep"}};
  with_each_shell([&](workplace& place, auto run) {
    for (const auto& r : rows) {
      auto job = job_at(place, {"echo not reached"});
      set(job, r.key, r.value);
      auto got = run(job);
      CHECK_EQ(got.of("get_sources").exit_code, 1);
      CHECK(has(got.of("get_sources").out,
                "\x1b[31;1munknown " + r.key + " \"" + r.value + '"'));
      CHECK_FALSE(got.ran("step_script"));
      CHECK(got.ran("cleanup_file_variables"));
    }
  });
}

TEST_CASE("folders with awkward names work") {
  with_each_shell([](workplace& place, auto run) {
    runner_config config;
    config.builds_dir = "my 'builds' $x \"q\" \\";
    auto job = job_at(place, {"cat file", "cat \"$F\""});
    set(job, "F", "content", true);
    auto got = run(job, config);
    CHECK_EQ(got.of("get_sources").err, "");
    CHECK_EQ(got.status, "success");
    CHECK(has(got.of("step_script").out, "content"));
    CHECK_EQ(run(job, config).status, "success");
  });
}

TEST_CASE("a job can ask for its folder to be cleaned at its end") {
  with_each_shell([](workplace& place, auto run) {
    runner_config config;
    config.feature_flags["FF_ENABLE_JOB_CLEANUP"] = true;
    auto job = job_at(place, {"touch left; echo x >file"});
    run(job, config);
    CHECK_FALSE(place.exists(project + "/left"));
    CHECK_EQ(place.read(project + "/file"), "one\n");
    job.allow_git_fetch = false;
    run(job, config);
    CHECK_FALSE(place.exists(project));
  });
}
