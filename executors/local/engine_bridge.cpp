#include "executors/local/engine_bridge.hpp"

#include "executors/shells/marked_sink.hpp"
#include "executors/shells/posix.hpp"
#include "executors/shells/remote.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace muster::local {

namespace {

/// That wait to be written to this machine's side of a link.
constexpr size_t held_max = 256u << 10;
/// That wait to be written to the instance's side: what an image is loaded from
/// is larger than the memory should be.
constexpr size_t leaving_max = 256u << 10;
constexpr size_t piece_bytes = 64u << 10;
constexpr size_t links_max = 128;
constexpr size_t error_output_max = 2'000;
constexpr std::string_view unix_scheme = "unix://";
constexpr auto default_socket = "/var/run/docker.sock";

/// An Engine's answer that tells a fault.
std::string refusal(const std::string& why) {
  auto body = nlohmann::json{{"message", why}}.dump(
    -1, ' ', false, nlohmann::json::error_handler_t::replace);
  return "HTTP/1.1 502 Bad Gateway\r\nContent-Type: application/json\r\n"
         "Connection: close\r\nContent-Length: "
         + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string dial_command(const std::string& host) {
  std::vector<std::string> words{"docker"};
  if (!host.empty())
    words.insert(words.end(), {"-H", host});
  words.insert(words.end(), {"system", "dial-stdio"});
  return remote::streamed_command(posix::quote(words));
}

} // namespace

/// What the bridge and its links share. All but `wire` and `loop` belong to the
/// loop's thread.
struct engine_bridge::core : std::enable_shared_from_this<core> {
  ends with;
  socket_id listener = 0;
  connection_id connection = 0;
  bool forwards = true; ///< sockets; false once the server has refused
  std::map<socket_id, std::shared_ptr<link>> links;

  void accept(unique_fd client);
};

/// One connection of this machine with its stream at the other side.
class engine_bridge::link : public socket_user,
                            public std::enable_shared_from_this<link> {
public:
  explicit link(std::shared_ptr<core> of) : of_(std::move(of)) {
  }

  void begin(socket_id id) {
    id_ = id;
    open();
  }

  // -- this machine's side, in the loop's thread ------------------------------

  size_t wanted() override {
    return opened_ && leaving_ < leaving_max ? piece_bytes : 0;
  }

  void data(std::string_view bytes) override {
    leaving_ += bytes.size();
    of_->with.wire->send(stream_, std::string{bytes});
  }

  void sent(size_t bytes) override {
    auto before = held_.fetch_sub(bytes);
    if (before >= held_max / 2 && before - bytes < held_max / 2)
      of_->with.wire->resume(stream_);
  }

  void ended() override {
    of_->with.wire->end_input(stream_);
  }

  void broken(const std::string&) override {
    stop();
    of_->links.erase(id_);
  }

  // -- the instance's side ----------------------------------------------------

  /// From the transport's thread.
  size_t room() const {
    auto held = held_.load();
    return held < held_max ? held_max - held : 0;
  }

  /// From the transport's thread.
  void arrived(std::string_view bytes) {
    held_ += bytes.size();
    answered_ = true;
    of_->with.loop->send(id_, std::string{bytes});
  }

  /// From the transport's thread.
  void left(size_t bytes) {
    auto before = leaving_.fetch_sub(bytes);
    if (before >= leaving_max / 2 && before - bytes < leaving_max / 2)
      of_->with.loop->resume(id_);
  }

  void far_opened() {
    opened_ = true;
    of_->with.loop->resume(id_);
  }

  void far_closed(const connection_failure& why, const std::string& said) {
    auto was_forwarded = std::exchange(is_forwarded_, false);
    if (!opened_ && was_forwarded
        && why.code == connection_errc::channel_refused) {
      of_->forwards = false;
      open();
      return;
    }
    if (!answered_)
      of_->with.loop->send(
        id_, refusal("the Docker Engine of the instance cannot be reached: "
                     + (said.empty() ? why.text : said)));
    of_->with.loop->close(id_);
    of_->links.erase(id_);
  }

  void stop() {
    of_->with.wire->close_stream(stream_);
  }

private:
  void open();

  std::shared_ptr<core> of_;
  socket_id id_ = 0;
  stream_id stream_ = 0;
  bool is_forwarded_ = false;
  bool opened_ = false;
  std::atomic<bool> answered_ = false;
  std::atomic<size_t> held_ = 0;
  std::atomic<size_t> leaving_ = 0;
};

/// The sink of a link's stream; in the transport's thread.
class engine_bridge::far_end : public stream_sink {
public:
  far_end(std::shared_ptr<link> to, std::shared_ptr<socket_loop> loop)
    : to_(std::move(to)),
      loop_(std::move(loop)) {
  }

  void opened() override {
    loop_->post([to = to_] { to->far_opened(); });
  }

  size_t wanted() override {
    return to_->room();
  }

  void data(std::string_view bytes) override {
    to_->arrived(bytes);
  }

  void sent(size_t bytes) override {
    to_->left(bytes);
  }

  void error_data(std::string_view bytes) override {
    said_.append(bytes.substr(0, error_output_max - said_.size()));
  }

  void closed(const connection_failure& why) override {
    loop_->post([to = std::move(to_), why, said = std::move(said_)] {
      to->far_closed(why, said);
    });
  }

private:
  std::shared_ptr<link> to_;
  std::shared_ptr<socket_loop> loop_;
  std::string said_;
};

void engine_bridge::link::open() {
  const auto& with = of_->with;
  stream_ = with.next_stream();
  auto sink = std::make_shared<far_end>(shared_from_this(), with.loop);
  auto is_socket
    = with.engine_host.empty() || with.engine_host.starts_with(unix_scheme);
  is_forwarded_ = of_->forwards && is_socket;
  if (!is_forwarded_)
    open_marked_command(*with.wire, of_->connection, stream_,
                        dial_command(with.engine_host), sink);
  else
    with.wire->open_stream(of_->connection, stream_,
                           with.engine_host.empty()
                             ? default_socket
                             : with.engine_host.substr(unix_scheme.size()),
                           sink);
}

void engine_bridge::core::accept(unique_fd client) {
  if (links.size() >= links_max)
    return; // closed: who asks so much at once is told so by that
  auto made = std::make_shared<link>(shared_from_this());
  auto id = with.loop->add(std::move(client), made);
  links[id] = made;
  made->begin(id);
}

result<std::unique_ptr<engine_bridge>, helper_errc>
engine_bridge::make(ends what) {
  ::unlink(what.socket_path.c_str());
  auto socket = helper::listen_at(what.socket_path);
  if (!socket)
    return tl::unexpected{socket.error()};
  if (::chmod(what.socket_path.c_str(), 0600) != 0)
    return fail(helper_errc::failed,
                what.socket_path + ": " + std::strerror(errno));
  auto x = std::make_shared<core>();
  x->with = std::move(what);
  std::weak_ptr<core> weak = x;
  x->listener
    = x->with.loop->listen(std::move(*socket), [weak](unique_fd client) {
        if (auto there = weak.lock())
          there->accept(std::move(client));
      });
  return std::unique_ptr<engine_bridge>{new engine_bridge{std::move(x)}};
}

engine_bridge::~engine_bridge() {
  ::unlink(core_->with.socket_path.c_str());
  auto& loop = *core_->with.loop;
  loop.post([x = core_, &loop] {
    loop.close(x->listener);
    for (const auto& [id, one] : std::exchange(x->links, {})) {
      one->stop();
      loop.close(id);
    }
  });
}

void engine_bridge::use(connection_id x) {
  core_->with.loop->post([to = core_, x] {
    to->connection = x;
    to->forwards = true;
  });
}

const std::string& engine_bridge::socket_path() const {
  return core_->with.socket_path;
}

} // namespace muster::local
