#include "actors/dialer/edge.hpp"

#include "actors/helper_stream.hpp"
#include "config/fingerprint.hpp"
#include "executors/helper/frames.hpp"
#include "executors/shells/posix.hpp"
#include "executors/shells/remote.hpp"
#include "messages/errors.hpp"

#include <array>
#include <atomic>
#include <caf/all.hpp>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <limits>
#include <sstream>
#include <sys/wait.h>
#include <thread>
#include <zlib.h>

namespace muster {

namespace {

constexpr size_t output_here_max = 32u << 10;
/// As gzip has it of what it packed. By pieces, as `fingerprint_of`.
uint32_t checksum_of(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  std::string piece(64 * 1024, '\0');
  uLong sum = 0;
  while (auto count = static_cast<uInt>(
           in.read(piece.data(), static_cast<std::streamsize>(piece.size()))
             .gcount()))
    sum = crc32(sum, reinterpret_cast<const Bytef*>(piece.data()), count);
  return static_cast<uint32_t>(sum);
}

helper::unique_fd open_to_read(const std::string& path) {
  return helper::unique_fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
}

/// Opens that file once more, whatever has its name by now.
std::string path_of(const helper::unique_fd& x) {
  return "/proc/self/fd/" + std::to_string(x.get());
}

enum class packed_file : uint8_t { absent, fits, foreign };

/// Looks whether `packed` is gzip's of a file of `size` bytes: its last bytes
/// have the checksum and the size of that.
packed_file look_at_packed(const std::string& packed, const std::string& of,
                           uint64_t size) {
  std::ifstream in{packed, std::ios::binary};
  if (!in.is_open())
    return packed_file::absent;
  std::array<unsigned char, 3> head{};
  std::array<unsigned char, 8> tail{};
  auto read = [&in](auto& to) {
    in.read(reinterpret_cast<char*>(to.data()),
            static_cast<std::streamsize>(to.size()));
  };
  read(head);
  in.seekg(-static_cast<std::streamoff>(tail.size()), std::ios::end);
  read(tail);
  auto number = [&tail](size_t at) {
    uint32_t out = 0;
    for (size_t i = 4; i-- > 0;)
      out = out << 8 | tail.at(at + i);
    return out;
  };
  auto fits = in && head == std::array<unsigned char, 3>{0x1f, 0x8b, 8}
              && number(4) == static_cast<uint32_t>(size)
              && number(0) == checksum_of(of);
  return fits ? packed_file::fits : packed_file::foreign;
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
/// another, and run jobs on it. A new machine waits for each program that is
/// started here, so it is few.
std::string each_place(const std::string& hash, const std::string& body) {
  return fmt::format(
    "o=$(umask); umask 077; u=$(id -u); i=0; "
    "b=; n=; {{ read -r b </proc/sys/kernel/random/boot_id; "
    "read -r n </proc/sys/kernel/hostname; "
    "p=$(readlink /proc/self/ns/pid); }} 2>/dev/null; "
    "m=$(echo \"$HOME $b $p $n\" | cksum); m=${{m%% *}}; "
    "for d in \"${{XDG_CACHE_HOME:-$HOME/.cache}}/muster\" "
    "\"/tmp/.muster-$u\" \"/run/user/$u/muster\" \"/dev/shm/.muster-$u\"; do "
    "i=$((i + 1)); "
    "h=\"$d/muster-helper-{0}\"; r=\"$d/run-{0}-$m\"; {1}; done; ",
    hash, body);
}

/// What is said and done where the helper is. Its own files have modes of their
/// own; what jobs make gets those of the login. That of an earlier version
/// ends a day after its last job: nobody asks for it any more.
constexpr auto serve_there = "echo \"at $h\"; umask \"$o\"; "
                             "exec \"$h\" serve --dir \"$r\" --idle-exit 86400";

} // namespace

dial_edge::dial_edge(std::shared_ptr<transport> wire, std::string helper_path,
                     std::function<int64_t()> unix_us, workshop here)
  : wire_(std::move(wire)),
    helper_path_(std::move(helper_path)),
    unix_us_(std::move(unix_us)),
    here_(std::move(here)) {
  helper_file_ = open_to_read(helper_path_);
  auto known = fingerprint_of(path_of(helper_file_));
  if (known.size == 0)
    problem_ = fmt::format("muster-helper is not readable at {}: install it "
                           "there or set [muster] helper_path",
                           helper_path_);
  helper_hash_ = known.hash;
  helper_size_ = known.size;
  auto packed = helper_path_ + ".gz";
  packed_file_ = open_to_read(packed);
  auto seen
    = look_at_packed(path_of(packed_file_), path_of(helper_file_), known.size);
  if (seen != packed_file::fits)
    packed_file_.reset();
  if (seen == packed_file::foreign && problem_.empty())
    packed_problem_
      = fmt::format("{} is not {} packed: instances get that as it is, which "
                    "takes longer. Install both files of one muster, or make "
                    "it anew: gzip -9nkf {}",
                    packed, helper_path_, helper_path_);
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
    "sh -c '{}if command -v gzip >/dev/null 2>&1; then echo unpacks; fi; "
    "echo \"need $(uname -sm)\"'",
    each_place(helper_hash_,
               fmt::format("if [ -O \"$d\" ] && ! [ -L \"$d\" ] && "
                           "[ -x \"$h\" ]; then {}; fi",
                           serve_there)));
  exec(id, number, std::move(command), "", std::chrono::seconds{30}, to);
}

void dial_edge::upload_helper(connection_id id, uint64_t number, int place,
                              bool unpacks,
                              const session_listener_actor& to) const {
  auto is_packed = unpacks && packed_file_;
  // A tiny script tells whether programs can run there; its `!` is not written
  // out, since a csh looks for an earlier command at it. A connection that
  // breaks ends the input early: the size tells.
  auto body = fmt::format(
    "if [ $i -ge {} ]; then mkdir -p \"$d\" 2>/dev/null; "
    "if [ -O \"$d\" ] && ! [ -L \"$d\" ] && chmod 700 \"$d\"; then "
    "t=\"$d/.upload.$$\"; trap \"rm -f \\\"$t\\\"\" EXIT; "
    "c=\"no space\"; if {{ printf \"#\\041/bin/sh\\nexit 0\\n\" > \"$t\"; }} "
    "2>/dev/null; then chmod 700 \"$t\"; "
    "if \"$t\" 2>/dev/null; then "
    "if ! {} > \"$t\" || [ \"$(wc -c < \"$t\")\" -ne {} ]; then "
    "echo \"{} $i\"; exit 1; fi; "
    "mv -f \"$t\" \"$h\"; {}; fi; "
    "c=\"programs there cannot be run\"; fi; rm -f \"$t\" 2>/dev/null; "
    "else c=\"cannot be made or is not ours\"; fi; w=\"$w$s$d: $c\"; s=\"; \"; "
    "else w=\"$w$s$d: no room for it\"; s=\"; \"; fi",
    place, is_packed ? "gzip -dc" : "cat", helper_size_,
    is_packed ? "packed" : "full", serve_there);
  auto command = fmt::format("sh -c 'w=; s=; {}echo \"none $w\"; exit 1'",
                             each_place(helper_hash_, body));
  exec(id, number, std::move(command), "", std::chrono::seconds{120}, to,
       path_of(is_packed ? packed_file_ : helper_file_));
}

void dial_edge::start_here(connection_id id, uint64_t number,
                           const session_listener_actor& to) const {
  constexpr auto idle_exit = "600"; // seconds after the last job
  // One of an earlier version goes on with its jobs beside it. No more of the
  // hash: the folder's name is part of a socket's path.
  constexpr size_t hash_size = 16;
  auto folder = here_.folder + "/helper-" + helper_hash_.substr(0, hash_size);
  run_here(id, number,
           posix::quote({"serve", "--dir", folder, "--idle-exit", idle_exit}),
           "", to);
}

void dial_edge::run_here(connection_id id, uint64_t number,
                         const std::string& words,
                         const std::string& input_file,
                         const session_listener_actor& to) const {
  auto input = input_file.empty() ? "/dev/null" : posix::quote(input_file);
  auto command = "umask 077; mkdir -p " + posix::quote(here_.folder) + " && "
                 + posix::quote(helper_path_) + ' ' + words + " < " + input
                 + " 2>&1";
  // It may take minutes, and its end is waited for by nobody else.
  std::thread{[id, number, to, command = std::move(command)] {
    exec_ended out;
    out.attempt = id;
    out.number = number;
    if (auto* pipe = ::popen(command.c_str(), "re")) {
      char piece[4'096];
      while (std::fgets(piece, sizeof(piece), pipe) != nullptr)
        if (out.output.size() < output_here_max)
          out.output += piece;
      auto status = ::pclose(pipe);
      out.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    } else {
      out.exit_code = -1;
      out.output = "no process can be started";
    }
    out.error_output = out.output;
    caf::anon_send(to, std::move(out));
  }}.detach();
}

result<std::unique_ptr<local::engine_bridge>, helper_errc>
dial_edge::make_bridge(const instance_id& instance,
                       const std::string& engine_host) const {
  constexpr auto bridge_streams = stream_id{1} << 63;
  static std::atomic<stream_id> used = bridge_streams;
  auto folder = here_.folder + "/engines";
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed)
    return fail(helper_errc::failed, folder + ": " + failed.message());
  // The same one after a restart: what carries out a job may look for it.
  auto name
    = fmt::format("{:016x}.sock", std::hash<std::string>{}(instance.value));
  return local::engine_bridge::make({here_.loop, wire_, folder + '/' + name,
                                     engine_host, [] { return ++used; }});
}

void dial_edge::open_control(connection_id id, connection_id at,
                             stream_id control, const std::string& socket_path,
                             const std::string& bridge,
                             const session_listener_actor& to) const {
  open_helper_stream(*wire_, at, control, socket_path, bridge,
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
    else if (line.starts_with("packed "))
      answer.packed = std::atoi(line.c_str() + 7);
    else if (line == "unpacks")
      answer.unpacks = true;
  }
  return answer;
}

} // namespace muster
