#include "executors/docker/prepare.hpp"

#include "executors/docker/background.hpp"
#include "executors/docker/containers.hpp"
#include "executors/docker/images.hpp"
#include "executors/docker/job_containers.hpp"
#include "executors/docker/run_script.hpp"
#include "executors/docker/services.hpp"
#include "executors/docker/trace.hpp"

#include <algorithm>
#include <map>
#include <sys/utsname.h>

namespace muster::docker {

namespace {

constexpr std::string_view architecture_mark = "{arch}";

job_result<void> make_volume(const workplace& with,
                             const volume_request& what) {
  auto made = retried({}, [&] {
    return with.at.ask({"POST", "/volumes/create", what.body});
  });
  if (made)
    return {};
  return tl::unexpected{
    job_failure(made.error(), "making the volume for " + what.destination)};
}

job_result<void> make_volumes(const workplace& with) {
  std::vector<std::future<job_result<void>>> all;
  for (const auto& volume : with.containers().volumes)
    all.push_back(
      in_background([&with, &volume] { return make_volume(with, volume); }));
  for (auto& x : all)
    if (auto made = x.get(); !made)
      return made;
  return {};
}

/// One of the same name is left from a job that could not be cleaned.
job_result<void> make_network(const workplace& with) {
  if (!with.containers().network)
    return {};
  const auto& what = *with.containers().network;
  call create{"POST", "/networks/create", what.body};
  auto made = retried({}, [&] {
    auto x = with.at.ask(create);
    if (x || x.error().code != engine_errc::conflict)
      return x;
    auto gone = with.at.ask({"DELETE", "/networks/" + url_encoded(what.name)});
    return gone ? with.at.ask(create) : gone;
  });
  if (made)
    return {};
  return tl::unexpected{
    job_failure(made.error(), "making the network " + what.name)};
}

/// Asks the Engine for its machine only if it is not this one.
job_result<std::string> machine_of(const workplace& with) {
  auto host = with.at.is_local();
  utsname own{};
  if (host && ::uname(&own) == 0)
    return std::string{own.machine};
  auto x = retried({}, [&] { return with.at.ask({"GET", "/version"}); });
  if (!x)
    return tl::unexpected{
      job_failure(x.error(), "asking the Docker Engine for its version")};
  auto machine = x->is_object() ? x->value("Arch", json{}) : json{};
  return machine.is_string() ? machine.get<std::string>() : "";
}

job_result<void> get_helper_image(const workplace& with) {
  auto what = with.containers().helper.image;
  if (what.name.find(architecture_mark) != std::string::npos) {
    auto machine = machine_of(with);
    if (!machine)
      return tl::unexpected{machine.error()};
    what.name = with_architecture(what.name, *machine);
  }
  auto image = image_source{with.at}.get(what);
  if (!image)
    return tl::unexpected{image.error()};
  with.state.change([&](job_state& x) { x.helper.image = image->id; });
  return {};
}

job_result<local_image> get_build_image(const workplace& with) {
  auto image = image_source{with.at}.get(with.containers().build.image);
  if (image)
    with.state.change(
      [&](job_state& x) { x.build.image = image->reference(); });
  return image;
}

/// Whether the first process of a build container is a shell that does nothing
/// but wait for a script. An entrypoint may look at the job's files, and so may
/// what BASH_ENV names: they are not there yet.
bool only_waits(const container_request& what, const local_image& image) {
  auto body = json::parse(what.body.reveal(), nullptr, false);
  if (!body.is_object() || image.has_entrypoint)
    return false;
  auto own = body.find("Entrypoint");
  if (own != body.end() && !own->empty())
    return false;
  auto is_read = [](const std::string& entry) {
    return entry.compare(0, 9, "BASH_ENV=") == 0;
  };
  auto variables = body.value("Env", json::array());
  return std::none_of(image.environment.begin(), image.environment.end(),
                      is_read)
         && std::none_of(
           variables.begin(), variables.end(), [&is_read](const json& x) {
             return !x.is_string() || is_read(x.get<std::string>());
           });
}

/// A start is the longest of all calls, so the build container's is made while
/// the helper's is. What fails fails again, and is told of, when the script is
/// to run.
void start_early(const workplace& with) {
  if (start_container(with.at, with.state.get().build.id))
    with.state.change([](job_state& x) { x.build.waits = true; });
}

job_result<void> make_build_early(const workplace& with,
                                  const local_image& image) {
  auto made = make_build(with);
  if (made && only_waits(with.containers().build, image))
    start_early(with);
  return made;
}

job_result<void> make_helper_and_services(const workplace& with) {
  if (auto made = make_helper(with); !made)
    return made;
  if (with.containers().services.empty())
    return {};
  // Services may write there before any stage of the job does.
  if (auto opened = open_roots(with); !opened)
    return opened;
  return start_services(with);
}

} // namespace

std::string with_architecture(const std::string& name,
                              const std::string& machine) {
  static const std::map<std::string, std::string> names{{"armv6l", "arm"},
                                                        {"armv7l", "arm"},
                                                        {"aarch64", "arm64"},
                                                        {"amd64", "x86_64"}};
  auto known = names.find(machine);
  auto result = name;
  auto at = result.find(architecture_mark);
  if (at != std::string::npos)
    result.replace(at, architecture_mark.size(),
                   known != names.end() ? known->second : machine);
  return result;
}

job_result<void> prepare(const workplace& with) {
  trace::plain("Using Docker executor with image "
               + with.containers().build.image.name + " ...");
  auto met = retried({}, [&] { return with.at.negotiate(); });
  if (!met)
    return fail(plan_outcome::broken, met.error().text);
  with.state.change([&](job_state& x) { x.api_version = with.at.version(); });
  auto build_image_told = std::make_shared<trace::gate>();
  auto build_image = in_background([&with, build_image_told] {
    auto found = get_build_image(with);
    build_image_told->open();
    return found;
  });
  auto volumes = in_background([&with] { return make_volumes(with); });
  auto network = in_background([&with] { return make_network(with); });
  auto helper_image = [&] {
    trace::behind turn{build_image_told};
    return get_helper_image(with);
  }();
  // What is being made is waited for: it could not be found to be removed.
  volumes.wait();
  network.wait();
  if (!helper_image) {
    build_image_told->open();
    return helper_image;
  }
  if (auto made = volumes.get(); !made)
    return made;
  if (auto made = network.get(); !made)
    return made;
  // The build container needs to know the services; without any it can be made
  // beside the helper.
  auto helper
    = in_background([&with] { return make_helper_and_services(with); });
  if (!with.containers().services.empty())
    if (auto made = helper.get(); !made)
      return made;
  auto image = build_image.get();
  auto made = image ? make_build_early(with, *image)
                    : job_result<void>{tl::unexpected{image.error()}};
  if (!with.containers().services.empty())
    return made;
  auto helper_made = helper.get();
  return made ? helper_made : made;
}

} // namespace muster::docker
