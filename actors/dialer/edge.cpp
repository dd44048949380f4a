#include "actors/dialer/edge.hpp"

#include "actors/helper_stream.hpp"
#include "executors/helper/frames.hpp"
#include "executors/shells/remote.hpp"
#include "messages/errors.hpp"

#include <caf/all.hpp>
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <limits>
#include <openssl/evp.h>
#include <sstream>

namespace muster {

namespace {

/// What a file is known by, and its size [bytes]; nothing for one that cannot
/// be read. By pieces: megabytes read at once would stay a manager's memory.
struct fingerprint {
  std::string hash;
  uint64_t size = 0;
};

fingerprint fingerprint_of(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> digest{
    EVP_MD_CTX_new(), EVP_MD_CTX_free};
  EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr);
  fingerprint out;
  std::string piece(64 * 1024, '\0');
  while (auto count = static_cast<size_t>(
           in.read(piece.data(), static_cast<std::streamsize>(piece.size()))
             .gcount())) {
    EVP_DigestUpdate(digest.get(), piece.data(), count);
    out.size += count;
  }
  if (in.bad())
    return {};
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(digest.get(), bytes, &size);
  for (unsigned int i = 0; i < 8 && i < size; ++i)
    out.hash += fmt::format("{:02x}", bytes[i]);
  return out;
}

class session_sink : public connection_sink {
public:
  session_sink(uint64_t attempt, session_listener_actor to)
    : attempt_(attempt),
      to_(std::move(to)) {
  }

  void connected(const std::string& host_key) override {
    caf::anon_send(to_, session_up{attempt_, host_key});
  }

  void failed(const connection_failure& why) override {
    caf::anon_send(to_, session_down{attempt_, error_of(why)});
  }

  void lost(const connection_failure& why) override {
    caf::anon_send(to_, session_down{attempt_, error_of(why)});
  }

private:
  uint64_t attempt_;
  session_listener_actor to_;
};

/// The control stream: one for each session, for questions to the helper
/// itself.
class control_sink : public stream_sink {
public:
  control_sink(uint64_t attempt, session_listener_actor to)
    : attempt_(attempt),
      to_(std::move(to)) {
  }

  void opened() override {
  }

  size_t wanted() override {
    return std::numeric_limits<uint32_t>::max();
  }

  void data(std::string_view bytes) override {
    decoder_.feed(bytes);
    for (;;) {
      auto next = decoder_.next();
      if (!next) {
        told_ = true;
        caf::anon_send(to_, helper_down{attempt_, error_of(next.error())});
        return;
      }
      if (!*next)
        return;
      handle(**next);
    }
  }

  void closed(const connection_failure& why) override {
    if (!told_)
      caf::anon_send(to_, helper_down{attempt_, error_of(why)});
  }

private:
  void handle(const frames::frame& x) {
    if (const auto* welcome = std::get_if<frames::welcome>(&x))
      caf::anon_send(to_, helper_up{attempt_, welcome->build});
    else if (const auto* done = std::get_if<frames::cleaned>(&x))
      caf::anon_send(to_, helper_cleaned{attempt_, acquisition_key{done->key},
                                         done->clean, done->text});
    else if (const auto* no = std::get_if<frames::refused>(&x))
      refuse(*no);
  }

  void refuse(const frames::refused& x) {
    if (x.key.empty()) {
      told_ = true;
      caf::anon_send(to_, helper_down{attempt_, error_of(x.code, x.text)});
    } else {
      caf::anon_send(
        to_, helper_cleaned{attempt_, acquisition_key{x.key}, false, x.text});
    }
  }

  uint64_t attempt_;
  session_listener_actor to_;
  frames::decoder decoder_;
  bool told_ = false; ///< that it is down
};

/// Goes through the folders that may hold the helper: homes may be read-only or
/// refuse to run programs. `$h` is the helper, `$r` its state; two versions may
/// coexist. Machines may share a folder, as containers and hosts with one home
/// do: each has a state of its own there, or it would reach the helper of
/// another, and run jobs on it.
std::string each_place(const std::string& hash, const std::string& body) {
  return fmt::format(
    "o=$(umask); umask 077; u=$(id -u); i=0; "
    "m=$({{ echo \"$HOME\"; cat /proc/sys/kernel/random/boot_id; "
    "readlink /proc/self/ns/pid; uname -n; }} 2>/dev/null | cksum | "
    "cut -d\" \" -f1); "
    "for d in \"${{XDG_CACHE_HOME:-$HOME/.cache}}/muster\" "
    "\"/tmp/.muster-$u\" \"/run/user/$u/muster\" \"/dev/shm/.muster-$u\"; do "
    "i=$((i + 1)); "
    "h=\"$d/muster-helper-{0}\"; r=\"$d/run-{0}-$m\"; {1}; done; ",
    hash, body);
}

/// What is said and done where the helper is. Its own files have modes of their
/// own; what jobs make gets those of the login.
constexpr auto serve_there
  = "echo \"at $h\"; umask \"$o\"; exec \"$h\" serve --dir \"$r\"";

} // namespace

dial_edge::dial_edge(std::shared_ptr<transport> wire, std::string helper_path,
                     std::function<int64_t()> unix_us)
  : wire_(std::move(wire)),
    helper_path_(std::move(helper_path)),
    unix_us_(std::move(unix_us)) {
  auto known = fingerprint_of(helper_path_);
  if (known.size == 0)
    problem_ = fmt::format("muster-helper is not readable at {}: install it "
                           "there or set [muster] helper_path",
                           helper_path_);
  helper_hash_ = known.hash;
  helper_size_ = known.size;
}

void dial_edge::connect(connection_id id, const connect_info& target,
                        const session_listener_actor& to) const {
  constexpr auto per_try_max = std::chrono::milliseconds{20'000};
  auto timeout
    = std::min(std::chrono::milliseconds{target.timeout_ms}, per_try_max);
  wire_->connect(id, target, timeout, std::make_shared<session_sink>(id, to));
}

void dial_edge::exec(connection_id id, uint64_t number, std::string command,
                     std::string input, std::chrono::milliseconds timeout,
                     const session_listener_actor& to,
                     std::string input_file) const {
  wire_->exec(
    id, {std::move(command), std::move(input), timeout, std::move(input_file)},
    [id, number, to](const result<exec_result, connection_errc>& x) {
      if (x)
        caf::anon_send(to, exec_ended{id, number, x->exit_code, x->output,
                                      x->error_output, caf::error{}});
      else
        caf::anon_send(to,
                       exec_ended{id, number, -1, "", "", error_of(x.error())});
    });
}

void dial_edge::probe_helper(connection_id id, uint64_t number,
                             const session_listener_actor& to) const {
  // Others may write into the later folders: only what is ours is run.
  auto command = fmt::format(
    "sh -c '{}echo \"need $(uname -s) $(uname -m)\"'",
    each_place(helper_hash_,
               fmt::format("if [ -O \"$d\" ] && ! [ -L \"$d\" ] && "
                           "[ -x \"$h\" ]; then {}; fi",
                           serve_there)));
  exec(id, number, std::move(command), "", std::chrono::seconds{30}, to);
}

void dial_edge::upload_helper(connection_id id, uint64_t number, int place,
                              const session_listener_actor& to) const {
  // A tiny script tells whether programs can run there. A connection that
  // breaks ends the input early: the size tells.
  auto body = fmt::format(
    "if [ $i -ge {} ]; then mkdir -p \"$d\" 2>/dev/null; "
    "if [ -O \"$d\" ] && ! [ -L \"$d\" ] && chmod 700 \"$d\"; then "
    "t=\"$d/.upload.$$\"; trap \"rm -f \\\"$t\\\"\" EXIT; "
    "c=\"no space\"; if {{ printf \"#!/bin/sh\\nexit 0\\n\" > \"$t\"; }} "
    "2>/dev/null; then chmod 700 \"$t\"; "
    "if \"$t\" 2>/dev/null; then cat > \"$t\"; "
    "if [ \"$(wc -c < \"$t\")\" -ne {} ]; then echo \"full $i\"; exit 1; fi; "
    "chmod 700 \"$t\"; mv -f \"$t\" \"$h\"; {}; fi; "
    "c=\"programs there cannot be run\"; fi; rm -f \"$t\" 2>/dev/null; "
    "else c=\"cannot be made or is not ours\"; fi; w=\"$w$s$d: $c\"; s=\"; \"; "
    "fi",
    place, helper_size_, serve_there);
  auto command = fmt::format("sh -c 'w=; s=; {}echo \"none $w\"; exit 1'",
                             each_place(helper_hash_, body));
  exec(id, number, std::move(command), "", std::chrono::seconds{120}, to,
       helper_path_);
}

void dial_edge::open_control(connection_id id, stream_id control,
                             const std::string& socket_path,
                             const std::string& bridge,
                             const session_listener_actor& to) const {
  open_helper_stream(*wire_, id, control, socket_path, bridge,
                     frames::version_min,
                     std::make_shared<control_sink>(id, to));
}

void dial_edge::clean(stream_id control, const acquisition_key& key) const {
  wire_->send(control, frames::encode(frames::clean{key.value}));
}

void dial_edge::sweep(connection_id id, uint64_t number,
                      const acquisition_key& key, const std::string& temp_dir,
                      const session_listener_actor& to) const {
  exec(id, number, remote::sweep_command(key.value, temp_dir), "",
       std::chrono::seconds{60}, to);
}

bootstrap_answer read_bootstrap(const std::string& output) {
  // Start-up files of the login shell may print before the command does.
  std::istringstream in{output};
  bootstrap_answer answer;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("ready /"))
      answer.socket_path = line.substr(6);
    else if (line.starts_with("need "))
      answer.platform = line.substr(5);
    else if (line.starts_with("at /"))
      answer.program = line.substr(3);
    else if (line.starts_with("none "))
      answer.obstacle = line.substr(5);
    else if (line.starts_with("full "))
      answer.full = std::atoi(line.c_str() + 5);
  }
  return answer;
}

} // namespace muster
