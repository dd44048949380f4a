#include "tests/e2e/ssh/peers.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <future>
#include <netinet/in.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/// libssh2 1.10 forgets the old copy of the host key at every re-keying (kex.c
/// allocates `server_hostkey` anew): 51 bytes each that are not ours to free.
extern "C" const char* __lsan_default_suppressions();

extern "C" const char* __lsan_default_suppressions() {
  return "leak:libssh2.so";
}

namespace muster::test {

namespace {

int connect_loopback(uint16_t port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0)
    return fd;
  close(fd);
  return -1;
}

/// Accepts until the listener is shut down.
void accept_each(int listener, std::mutex& mutex, std::vector<int>& sockets,
                 std::vector<std::thread>& threads,
                 const std::function<void(int)>& script) {
  while (true) {
    int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
      continue;
    if (fd < 0)
      return;
    std::lock_guard guard{mutex};
    sockets.push_back(fd);
    threads.emplace_back([fd, script] {
      script(fd);
      shutdown(fd, SHUT_RDWR);
    });
  }
}

void stop_all(int listener, std::thread& acceptor, std::mutex& mutex,
              std::vector<int>& sockets, std::vector<std::thread>& threads) {
  shutdown(listener, SHUT_RDWR);
  acceptor.join();
  {
    std::lock_guard guard{mutex};
    for (int fd : sockets)
      shutdown(fd, SHUT_RDWR);
  }
  for (auto& each : threads)
    each.join();
  for (int fd : sockets)
    close(fd);
  close(listener);
}

} // namespace

ssh_options patient() {
  ssh_options result;
  result.name_timeout = patience;
  result.tcp_timeout = patience;
  result.banner_timeout = patience;
  result.key_exchange_timeout = patience;
  result.authentication_timeout = patience;
  result.open_timeout = patience;
  result.silence_min = patience;
  result.linger = patience;
  return result;
}

void waiting::change(const std::function<void()>& what) {
  std::lock_guard guard{mutex_};
  what();
  changed_.notify_all();
}

bool waiting::until(const std::function<bool()>& holds) {
  std::unique_lock lock{mutex_};
  return changed_.wait_for(lock, patience, holds);
}

void connection_log::connected(const std::string& key) {
  wait_.change([&] { host_key = key; });
}

void connection_log::failed(const connection_failure& why) {
  end(why);
}

void connection_log::lost(const connection_failure& why) {
  end(why);
}

void connection_log::end(const connection_failure& why) {
  wait_.change([&] {
    end_ = why;
    ++ends;
  });
}

bool connection_log::wait_connected() {
  bool result = false;
  wait_.until([&] {
    result = !host_key.empty() && !end_;
    return result || end_;
  });
  return result;
}

connection_failure connection_log::wait_end() {
  connection_failure result{connection_errc{}, "no end came"};
  wait_.until([&] {
    result = end_.value_or(result);
    return end_.has_value();
  });
  return result;
}

bool connection_log::ended() {
  bool result = false;
  wait_.change([&] { result = end_.has_value(); });
  return result;
}

void stream_log::opened() {
  wait_.change([this] { opened_ = true; });
}

size_t stream_log::wanted() {
  size_t result = 0;
  wait_.change([&] { result = credit_; });
  return result;
}

void stream_log::data(std::string_view bytes) {
  wait_.change([&] {
    overrun_ = overrun_ || bytes.size() > credit_ || bytes.empty();
    if (credit_ != SIZE_MAX)
      credit_ -= std::min(credit_, bytes.size());
    text_ += bytes;
  });
}

void stream_log::closed(const connection_failure& why) {
  wait_.change([&] {
    if (!end_)
      end_ = why;
  });
}

bool stream_log::wait_opened() {
  bool result = false;
  wait_.until([&] {
    result = opened_;
    return opened_ || end_;
  });
  return result;
}

bool stream_log::wait_received(size_t bytes) {
  bool result = false;
  wait_.until([&] {
    result = text_.size() >= bytes && !overrun_;
    return text_.size() >= bytes || end_;
  });
  return result;
}

connection_failure stream_log::wait_closed() {
  wait_.until([this] { return end_.has_value(); });
  return end_.value_or(connection_failure{connection_errc{}, "no end came"});
}

void stream_log::give(size_t bytes) {
  wait_.change([&] { credit_ += bytes; });
}

size_t stream_log::received() {
  size_t result = 0;
  wait_.change([&] { result = text_.size(); });
  return result;
}

std::string stream_log::text() {
  std::string result;
  wait_.change([&] { result = text_; });
  return result;
}

result<exec_result, connection_errc> run(transport& on, connection_id id,
                                         exec_request what) {
  using outcome = result<exec_result, connection_errc>;
  auto promise = std::make_shared<std::promise<outcome>>();
  auto future = promise->get_future();
  on.exec(id, std::move(what),
          [promise](const outcome& x) { promise->set_value(x); });
  if (future.wait_for(patience) != std::future_status::ready)
    return fail(connection_errc{}, "no result came");
  return future.get();
}

bool works(transport& on, connection_id id) {
  auto got = run(on, id, {"true", "", patience});
  return got && got->exit_code == 0;
}

std::shared_ptr<connection_log>
dial_and_wait(transport& on, connection_id id, const connect_info& target,
              std::chrono::milliseconds timeout) {
  auto log = std::make_shared<connection_log>();
  on.connect(id, target, timeout, log);
  log->wait_connected();
  return log;
}

scripted_server::scripted_server(script what) : script_{std::move(what)} {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at = {};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  if (bind(listener_, reinterpret_cast<sockaddr*>(&at), size) != 0
      || listen(listener_, 128) != 0
      || getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size) != 0)
    throw std::runtime_error{"cannot listen on loopback"};
  port_ = ntohs(at.sin_port);
  acceptor_ = std::thread{[this] { accept_all(); }};
}

scripted_server::~scripted_server() {
  stop_all(listener_, acceptor_, mutex_, sockets_, threads_);
}

void scripted_server::accept_all() {
  accept_each(listener_, mutex_, sockets_, threads_, script_);
}

void scripted_server::cut() {
  std::lock_guard guard{mutex_};
  for (int fd : sockets_)
    shutdown(fd, SHUT_RDWR);
}

connect_info scripted_server::target() const {
  connect_info result;
  result.host = "127.0.0.1";
  result.port = port_;
  result.username = "ci";
  result.password = secret{"unused"};
  return result;
}

scripted_server::script forward_to(uint16_t port,
                                   std::shared_ptr<std::atomic<bool>> held) {
  return [port, held](int fd) {
    int to = connect_loopback(port);
    pollfd both[2] = {{fd, POLLIN, 0}, {to, POLLIN, 0}};
    char buffer[16 * 1024];
    for (bool open = to >= 0; open;) {
      if (poll(both, 2, 20) <= 0 || held->load())
        continue;
      for (int i = 0; i < 2 && open; ++i) {
        if (both[i].revents == 0)
          continue;
        auto got = recv(both[i].fd, buffer, sizeof buffer, 0);
        open = got > 0
               && send_all(both[1 - i].fd, {buffer, static_cast<size_t>(got)});
      }
    }
    if (to >= 0)
      close(to);
  };
}

void swallow(int fd) {
  char buffer[4096];
  while (recv(fd, buffer, sizeof buffer, 0) > 0)
    ;
}

unix_server::unix_server(const std::filesystem::path& path,
                         std::function<void(int fd)> what)
  : script_{std::move(what)} {
  listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un at = {};
  at.sun_family = AF_UNIX;
  std::strncpy(at.sun_path, path.c_str(), sizeof at.sun_path - 1);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0
      || listen(listener_, 128) != 0)
    throw std::runtime_error{"cannot listen on " + path.string()};
  acceptor_ = std::thread{[this] { accept_all(); }};
}

unix_server::~unix_server() {
  stop_all(listener_, acceptor_, mutex_, sockets_, threads_);
}

void unix_server::accept_all() {
  accept_each(listener_, mutex_, sockets_, threads_, script_);
}

void echo(int fd) {
  char buffer[64 * 1024];
  while (true) {
    auto got = recv(fd, buffer, sizeof buffer, 0);
    if (got <= 0 || !send_all(fd, {buffer, static_cast<size_t>(got)}))
      return;
  }
}

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    auto sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0)
      return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

} // namespace muster::test
