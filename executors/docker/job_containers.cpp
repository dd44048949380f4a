#include "executors/docker/job_containers.hpp"

#include "executors/docker/containers.hpp"

namespace muster::docker {

namespace {

/// Stays until it is told to end, and reaps what commands leave behind. The
/// image's entrypoint is done by then.
std::string stay_script() {
  std::string script = "{ true > ";
  script += entered_mark;
  script += "; } 2>/dev/null; trap 'exit 0' TERM INT; "
            "while :; do sleep 3600 & wait $!; done";
  return script;
}

/// A shell that reads a script; what it makes is for everybody.
constexpr const char* shell_script
  = "umask 0000; command -v bash >/dev/null 2>&1 && exec bash; exec sh";

create_facts facts_of(const workplace& with, const container_request& what,
                      const std::string& image) {
  create_facts facts;
  facts.image = image;
  if (!what.image.platform.empty())
    facts.platform = what.image.platform;
  facts.links = with.state.get().links;
  facts.aliases = {what.name};
  if (with.containers().network)
    facts.network = with.containers().network->name;
  return facts;
}

job_result<void> create(const workplace& with, const container_request& what,
                        container_state job_state::*which, json body) {
  with.state.change([&](job_state& x) { (x.*which).begun = true; });
  auto id = create_container(with.at, what.name, body, what.image.platform);
  if (!id)
    return tl::unexpected{id.error()};
  with.state.change([&](job_state& x) {
    (x.*which).id = *id;
    (x.*which).in_use = false;
    (x.*which).waits = false;
  });
  return {};
}

job_result<void> drop(const workplace& with,
                      container_state job_state::*which) {
  auto container = with.state.get().*which;
  if (!container.in_use)
    return {};
  auto gone = remove_container(with.at, container.id,
                               !with.containers().keep_anonymous_volumes);
  if (!gone)
    return tl::unexpected{
      job_failure(gone.error(), "removing a container that was stopped")};
  with.state.change([&](job_state& x) {
    (x.*which).id.clear();
    (x.*which).in_use = false;
  });
  return {};
}

} // namespace

json helper_command(const workplace& with) {
  auto body
    = json::parse(with.containers().helper.body.reveal(), nullptr, false);
  auto command = body.is_object() ? body.value("Cmd", json{}) : json{};
  if (command.is_array() && !command.empty())
    return command;
  return {"sh", "-c", shell_script};
}

job_result<void> make_helper(const workplace& with) {
  const auto& what = with.containers().helper;
  auto body = create_body(
    what, facts_of(with, what, with.state.get().helper.image), with.at);
  if (!body)
    return tl::unexpected{body.error()};
  (*body)["Cmd"] = {"sh", "-c", stay_script()};
  for (const char* name : {"AttachStdin", "AttachStdout", "AttachStderr",
                           "OpenStdin", "StdinOnce", "Tty"})
    (*body)[name] = false;
  if (auto made = create(with, what, &job_state::helper, std::move(*body));
      !made)
    return made;
  with.state.change([](job_state& x) { x.roots_open = false; });
  auto started = retried(
    {}, [&] { return start_container(with.at, with.state.get().helper.id); });
  if (!started)
    return tl::unexpected{
      start_failure(started.error(), "helper", what.image.name)};
  return {};
}

job_result<void> make_build(const workplace& with) {
  const auto& what = with.containers().build;
  auto facts = facts_of(with, what, with.state.get().build.image);
  facts.aliases.insert(facts.aliases.begin(), "build");
  auto body = create_body(what, facts, with.at);
  if (!body)
    return tl::unexpected{body.error()};
  (*body)["Tty"] = false;
  for (const char* name : {"AttachStdin", "AttachStdout", "AttachStderr",
                           "OpenStdin", "StdinOnce"})
    (*body)[name] = true;
  return create(with, what, &job_state::build, std::move(*body));
}

job_result<void> drop_used(const workplace& with) {
  if (auto done = drop(with, &job_state::helper); !done)
    return done;
  return drop(with, &job_state::build);
}

} // namespace muster::docker
