#include "executors/ssh/exec_channel.hpp"

#include "executors/ssh/wire.hpp"

#include <csignal>
#include <cstdlib>
#include <ios>
#include <utility>

namespace muster::ssh {

namespace {

constexpr size_t output_bytes_max = 64 * 1024;
constexpr size_t error_bytes_max = 32 * 1024;
constexpr size_t file_piece_bytes = 64 * 1024;

/// Longer ones do not fit into libssh2's packet.
constexpr size_t command_bytes_max = 32 * 1024;

} // namespace

int signal_number(std::string_view name) {
  constexpr std::pair<std::string_view, int> table[] = {
    {"ABRT", SIGABRT}, {"ALRM", SIGALRM}, {"BUS", SIGBUS},   {"FPE", SIGFPE},
    {"HUP", SIGHUP},   {"ILL", SIGILL},   {"INT", SIGINT},   {"KILL", SIGKILL},
    {"PIPE", SIGPIPE}, {"QUIT", SIGQUIT}, {"SEGV", SIGSEGV}, {"SYS", SIGSYS},
    {"TERM", SIGTERM}, {"TRAP", SIGTRAP}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2},
    {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ},
  };
  for (const auto& [known, number] : table) {
    if (name == known)
      return number;
  }
  return 0;
}

command_start start_command(LIBSSH2_CHANNEL* raw, const std::string& command,
                            channel_work& w) {
  auto code = libssh2_channel_process_startup(
    raw, "exec", 4, command.data(), static_cast<unsigned>(command.size()));
  if (code == LIBSSH2_ERROR_EAGAIN)
    return command_start::waiting;
  if (code == 0)
    return command_start::begun;
  if (is_channel_error(code))
    return command_start::refused;
  w.broken = true;
  return command_start::waiting;
}

int exit_code_of(LIBSSH2_CHANNEL* raw) {
  char* name = nullptr;
  size_t size = 0;
  libssh2_channel_get_exit_signal(raw, &name, &size, nullptr, nullptr, nullptr,
                                  nullptr);
  if (name == nullptr)
    return libssh2_channel_get_exit_status(raw);
  auto code = 128 + signal_number({name, size});
  std::free(name); // of our own allocator, see handle.cpp
  return code;
}

exec_channel::exec_channel(const std::string& at, exec_request what,
                           exec_callback done, tally& counts, time_point now)
  : channel{"session", ""},
    at_{at},
    request_{std::move(what)},
    done_{std::move(done)},
    counts_{counts},
    deadline_{now + request_.timeout} {
  input_.push(std::move(request_.input));
  if (!request_.input_file.empty())
    file_.open(request_.input_file, std::ios::binary);
}

void exec_channel::refused(const std::string& reason) {
  tell(tl::unexpected{exec_refused(at_, reason)});
}

void exec_channel::lost(const connection_failure& why) {
  tell(tl::unexpected{why});
}

time_point exec_channel::due() const {
  return done_ ? deadline_ : time_point::max();
}

void exec_channel::expire(time_point now) {
  if (!done_ || now < deadline_)
    return;
  tell(tl::unexpected{exec_timed_out(at_, request_.timeout)});
  close();
}

void exec_channel::opened() {
  ++counts_.exec_channels;
}

void exec_channel::run(channel_work& w) {
  if (!started_ && !start(w))
    return;
  write_input(w);
  bool output_read = read(0, w);
  bool errors_read = read(SSH_EXTENDED_DATA_STDERR, w);
  if (w.broken || !output_read || !errors_read)
    return;
  // Done only when the channel was closed in order and all was read: a status
  // of 0 is also what libssh2 says of a command of which it has heard nothing.
  auto end = ask_remote_end(raw());
  w.broken = end == remote_end::broken;
  if (end != remote_end::closed || libssh2_channel_eof(raw()) != 1)
    return;
  result_.exit_code = exit_code_of(raw());
  if (result_.error_output.size() > error_bytes_max)
    result_.error_output.erase(0,
                               result_.error_output.size() - error_bytes_max);
  close();
  tell(std::move(result_));
}

bool exec_channel::start(channel_work& w) {
  const auto& command = request_.command;
  if (!request_.input_file.empty() && !file_.is_open()) {
    tell(fail(connection_errc::channel_refused,
              "exec: cannot read " + request_.input_file + " for " + at_));
    close();
    return false;
  }
  if (command.size() > command_bytes_max) {
    tell(fail(connection_errc::channel_refused,
              "exec: the command for " + at_ + " has "
                + std::to_string(command.size())
                + " bytes, at most 32768 can be sent: pass the rest on its "
                  "input"));
    close();
    return false;
  }
  auto begun = start_command(raw(), command, w);
  started_ = begun == command_start::begun;
  if (begun != command_start::refused)
    return started_;
  tell(fail(connection_errc::channel_refused,
            "exec: " + at_ + " refused to run a command: " + w.on.error_text()
              + ": does the user have a login shell?"));
  close();
  return false;
}

void exec_channel::write_input(channel_work& w) {
  if (input_ended_ || w.broken)
    return;
  if (input_.empty())
    read_file();
  if (!input_.write(raw(), w)) {
    input_.clear(); // the command does not read it
    file_.close();
  }
  if (!input_.empty() || w.broken)
    return;
  if (file_.is_open())
    w.more = true;
  else
    input_ended_ = libssh2_channel_send_eof(raw()) != LIBSSH2_ERROR_EAGAIN;
}

/// The next piece of the file; closes it at its end.
void exec_channel::read_file() {
  if (!file_.is_open())
    return;
  std::string piece(file_piece_bytes, '\0');
  file_.read(piece.data(), static_cast<std::streamsize>(piece.size()));
  piece.resize(static_cast<size_t>(file_.gcount()));
  if (!file_)
    file_.close();
  input_.push(std::move(piece));
}

bool exec_channel::read(int stream, channel_work& w) {
  size_t left = w.channel_bytes;
  while (!w.broken) {
    if (left == 0) {
      w.more = true;
      return false;
    }
    auto got = libssh2_channel_read_ex(raw(), stream, w.scratch.data(),
                                       std::min(left, w.scratch.size()));
    if (got == 0 || got == LIBSSH2_ERROR_EAGAIN)
      return true;
    if (got < 0) {
      w.broken = true;
      return false;
    }
    left -= static_cast<size_t>(got);
    collect(stream, {w.scratch.data(), static_cast<size_t>(got)});
  }
  return false;
}

void exec_channel::collect(int stream, std::string_view bytes) {
  auto& output = result_.output;
  auto& errors = result_.error_output;
  if (stream == 0) {
    output += bytes.substr(0, output_bytes_max - output.size());
    return;
  }
  errors += bytes;
  if (errors.size() > 2 * error_bytes_max)
    errors.erase(0, errors.size() - error_bytes_max);
}

void exec_channel::tell(const result<exec_result, connection_errc>& what) {
  if (auto done = std::exchange(done_, nullptr))
    done(what);
}

} // namespace muster::ssh
