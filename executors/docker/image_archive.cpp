#include "executors/docker/image_archive.hpp"

#include "executors/docker/address.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <unistd.h>

namespace muster::docker {

namespace {

using namespace std::chrono_literals;

constexpr auto load_time = 570s; ///< less than the manager waits for it
constexpr int missing_status = 3;

int complain(const std::string& text) {
  std::fprintf(stderr, "%s\n", text.c_str());
  return 1;
}

/// `Loaded image: name:tag` or `Loaded image ID: sha256:...`.
std::string loaded_name(const json& line) {
  auto text = line.is_object() ? line.value("stream", json{}) : json{};
  if (!text.is_string())
    return {};
  auto words = text.get<std::string>();
  constexpr std::string_view fronts[]{"Loaded image: ", "Loaded image ID: "};
  for (auto front : fronts)
    if (words.starts_with(front)) {
      auto name = words.substr(front.size());
      return name.substr(0, name.find_first_of("\r\n"));
    }
  return {};
}

int64_t read_input(char* to, size_t size) {
  for (;;) {
    auto n = ::read(STDIN_FILENO, to, size);
    if (n >= 0 || errno != EINTR)
      return n;
  }
}

struct image_wish {
  std::string name;
  std::string host;
  bool load = false;
};

std::optional<image_wish> read_wish(const std::vector<std::string>& words) {
  image_wish x;
  for (size_t i = 1; i < words.size(); ++i)
    if (words[i] == "--load")
      x.load = true;
    else if (words[i] == "--name" && i + 1 < words.size())
      x.name = words[++i];
    else if (words[i] == "--host" && i + 1 < words.size())
      x.host = words[++i];
    else
      return std::nullopt;
  if (x.name.find(':') == std::string::npos)
    return std::nullopt;
  return x;
}

int carry_out(const image_wish& x) {
  auto at
    = parse_address(x.host.empty() ? login_address(own_variable) : x.host);
  if (!at)
    return complain(at.error().text);
  engine speaker{make_socket_dialer(*at), "", is_local(*at)};
  if (auto met = speaker.negotiate(); !met)
    return complain(met.error().text);
  if (!x.load) {
    auto there = has_image(speaker, x.name);
    if (!there)
      return complain(there.error().text);
    return *there ? 0 : missing_status;
  }
  auto loaded = load_image(speaker, x.name, read_input);
  return loaded ? 0 : complain(loaded.error().text);
}

} // namespace

engine_result<bool> has_image(const engine& at, const std::string& name) {
  auto x = at.ask({"GET", "/images/" + url_encoded(name, "/:") + "/json"});
  if (x)
    return true;
  if (x.error().code == engine_errc::not_found)
    return false;
  return tl::unexpected{x.error()};
}

engine_result<void>
load_image(const engine& at, const std::string& name,
           const std::function<int64_t(char*, size_t)>& archive) {
  call load{"POST", "/images/load?quiet=1"};
  load.time = load_time;
  load.source = archive;
  std::string loaded;
  std::string trouble;
  auto ended = at.ask_lines(load, [&](std::string_view line) {
    auto x = json::parse(line, nullptr, false);
    if (auto found = loaded_name(x); !found.empty())
      loaded = found;
    if (x.is_object() && x.contains("error") && x["error"].is_string())
      trouble = x["error"].get<std::string>();
    return true;
  });
  if (!ended)
    return ended;
  if (!trouble.empty())
    return fail(engine_errc::refused, "the Docker Engine: " + trouble);
  if (loaded.empty())
    return fail(engine_errc::bad_answer,
                "the archive has no image that the Docker Engine takes: it "
                "must be as `docker save` writes it");
  auto colon = name.rfind(':');
  auto tagged
    = at.ask({"POST", "/images/" + url_encoded(loaded, "/:")
                        + "/tag?repo=" + url_encoded(name.substr(0, colon))
                        + "&tag=" + url_encoded(name.substr(colon + 1))});
  if (!tagged)
    return tl::unexpected{tagged.error()};
  return {};
}

std::optional<int>
run_image_command(const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments[0] != "container-image")
    return std::nullopt;
  std::signal(SIGPIPE, SIG_IGN);
  auto wish = read_wish(arguments);
  if (!wish)
    return complain("container-image needs --name REPOSITORY:TAG, and takes "
                    "--host ADDRESS and --load");
  return carry_out(*wish);
}

} // namespace muster::docker
