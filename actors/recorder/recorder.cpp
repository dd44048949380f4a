#include "actors/recorder/recorder.hpp"

#include "actors/recorder/varint.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace muster {

namespace {

/// What has ended is known for so long: somebody may be told of it yet.
constexpr size_t over_max = 4096;
/// A snapshot beyond that has no states. [bytes]
constexpr size_t snapshot_bytes_max = 32 << 20;
constexpr size_t state_text_max = 32 << 10;

/// The wall clock of the message that this thread handles.
thread_local int64_t handler_unix_us = 0;

uint8_t byte_of(record_kind x) {
  return static_cast<uint8_t>(x);
}

std::chrono::nanoseconds part_of(std::chrono::milliseconds age) {
  using namespace std::chrono_literals;
  return std::clamp<std::chrono::nanoseconds>(age / 8, 1min, 24h);
}

} // namespace

recorder::recorder(recorder_options options)
  : options_(std::move(options)),
    began_(time_point::clock::now()),
    began_unix_us_(options_.unix_us()),
    segment_age_max_(part_of(options_.writer.age_max)),
    secrets_(random_hash_key()),
    writer_(options_.writer) {
  turn guard{*this};
  auto what = caf::make_message(options_.about);
  write({.kind = byte_of(record_kind::note)}, now(), &what.content(), true);
}

recorder::~recorder() = default;

void recorder::configured(
  const std::string& path, std::vector<std::string> runners,
  const std::function<std::string(secret_book&)>& to_text) {
  turn guard{*this};
  config_ = {path, to_text(secrets_), std::move(runners)};
  auto what = caf::make_message(config_);
  write({.kind = byte_of(record_kind::note)}, now(), &what.content());
}

void recorder::keep(const std::vector<secret>& secrets) {
  turn guard{*this};
  for (const auto& x : secrets)
    secrets_.keep(x.reveal());
}

int64_t recorder::unix_us() const {
  return the_handler.self != nullptr && handler_unix_us != 0
           ? handler_unix_us
           : options_.unix_us();
}

recorder_counters recorder::counters() const {
  recorder_counters out;
  out.records = written_;
  out.lost = lost_ + writer_.lost();
  out.bytes = writer_.bytes_written();
  out.segments = writer_.segments_begun();
  out.is_failing = writer_.is_failing();
  return out;
}

void recorder::flush() {
  writer_.flush();
}

bool recorder::hold(caf::actor_control_block* /*to*/,
                    caf::mailbox_element_ptr& /*what*/) {
  return false;
}

void recorder::handling(const caf::local_actor& self,
                        const caf::mailbox_element& what) {
  turn guard{*this};
  auto at = now();
  handler_unix_us = at.unix_us;
  raw_record x{.kind = byte_of(record_kind::handled)};
  if (const auto* me = find(self.id()))
    x.to = me->who.number;
  const auto& content = what.content();
  const row* from = nullptr;
  auto is_down = content.match_elements<caf::down_msg>();
  if (is_down)
    from = find(content.get_as<caf::down_msg>(0).source.id());
  else if (content.match_elements<caf::exit_msg>()
           && content.get_as<caf::exit_msg>(0).source)
    from = find(content.get_as<caf::exit_msg>(0).source.id());
  else if (what.sender)
    from = find(what.sender->id());
  if (from != nullptr)
    x.from = from->who.number;
  if (the_handler.is_timer)
    x.flags |= raw_record::is_timer;
  if (is_down || the_handler.is_timer || from == nullptr
      || from->show == nullptr)
    x.flags |= raw_record::is_input;
  write(x, at, &content, true);
}

void recorder::born(const caf::strong_actor_ptr& who, const std::string& role,
                    caf::actor_id parent, state_text show) {
  turn guard{*this};
  auto at = now();
  if (show != nullptr)
    handler_unix_us = at.unix_us;
  row made;
  const auto* above = parent == 0 ? nullptr : find(parent);
  made.who.role = above == nullptr ? role : above->who.role + "/" + role;
  made.who.number = ++players_;
  auto& lives = roles_[made.who.role];
  made.who.life = ++lives.lives;
  ++lives.rows;
  made.actor = caf::actor_cast<caf::weak_actor_ptr>(who);
  made.show = show;
  raw_record x{.kind = byte_of(record_kind::born)};
  x.from = above == nullptr ? 0 : above->who.number;
  x.to = made.who.number;
  x.life = made.who.life;
  auto& kept = rows_[who->id()] = std::move(made);
  x.role = kept.who.role;
  write(x, at, nullptr);
  // An edge may have ended before it was told of here.
  if (show == nullptr
      && who->get()->getf(caf::abstract_actor::is_terminated_flag)) {
    kept.is_over = true;
    over_.push_back(who->id());
  }
}

void recorder::ended(const caf::local_actor& self, const caf::error& why) {
  turn guard{*this};
  auto found = rows_.find(self.id());
  if (found == rows_.end() || std::exchange(found->second.is_over, true))
    return;
  raw_record x{.kind = byte_of(record_kind::ended)};
  x.to = found->second.who.number;
  if (found->second.show == nullptr)
    x.flags |= raw_record::is_input;
  auto what = caf::make_message(exit_told{{}, why});
  write(x, now(), &what.content());
  found->second.actor = nullptr;
  over_.push_back(self.id());
  forget_oldest();
}

void recorder::sent(const caf::local_actor& to,
                    const caf::mailbox_element& what) {
  // What edges tell each other is no output of a decision.
  if (the_handler.self == nullptr)
    return;
  turn guard{*this};
  raw_record x{.kind = byte_of(record_kind::sent)};
  if (const auto* from = find(the_handler.self->id()))
    x.from = from->who.number;
  if (const auto* edge = find(to.id()))
    x.to = edge->who.number;
  write(x, now(), &what.content());
}

void recorder::note(const caf::local_actor& self, const caf::message& what) {
  turn guard{*this};
  raw_record x{.kind = byte_of(record_kind::note)};
  if (const auto* me = find(self.id()))
    x.to = me->who.number;
  write(x, now(), &what.content());
}

uint32_t recorder::number_of(uint64_t actor, const std::string& role) const {
  const auto* found = find(actor);
  return found != nullptr && (role.empty() || found->who.role == role)
           ? found->who.number
           : 0;
}

secret_book& recorder::secrets() {
  return secrets_;
}

const recorder::row* recorder::find(caf::actor_id id) const {
  auto found = rows_.find(id);
  return found == rows_.end() ? nullptr : &found->second;
}

/// The time of the message that this thread handles, else now.
recorder::moment recorder::now() const {
  using namespace std::chrono;
  auto when
    = the_handler.self != nullptr ? the_handler.now : time_point::clock::now();
  return {duration_cast<nanoseconds>(when - began_).count(),
          options_.unix_us()};
}

void recorder::write(raw_record x, const moment& at,
                     const caf::type_erased_tuple* what, bool may_begin) {
  x.number = ++number_;
  std::array<char, frame_prefix_bytes> prefix;
  if (has_segment(at, may_begin)) {
    encode(x, at, what);
    if (payload_.size() > frame_bytes_max) {
      auto instead = caf::make_message(foreign_message{
        "too long: " + std::to_string(payload_.size()) + " bytes"});
      encode(x, at, &instead.content());
    }
    fill_frame_prefix(prefix.data(), payload_);
    if (writer_.put({prefix.data(), prefix.size()}, payload_)) {
      segment_bytes_ += prefix.size() + payload_.size();
      written_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
  }
  ++missing_;
  ++lost_;
}

void recorder::encode(raw_record x, const moment& at,
                      const caf::type_erased_tuple* what) {
  x.at_ns = at.at_ns;
  x.unix_us = at.unix_us;
  payload_.clear();
  put_record(payload_, x, began_unix_us_);
  if (what != nullptr)
    write_message(payload_, *what, *this);
}

/// Whether there is a segment to write to; another is begun if this one is
/// full, old or broken off. Only between two messages: it has all states.
bool recorder::has_segment(const moment& at, bool may_begin) {
  if (writer_.is_failing() && !writer_.wants_segment())
    return false;
  auto is_broken = segment_ == 0 || missing_ > 0 || writer_.is_failing();
  if (may_begin && is_broken && writer_.has_room()) {
    begin_segment(at);
    return missing_ == 0;
  }
  if (is_broken)
    return false;
  if (may_begin
      && (segment_bytes_ >= writer_.segment_bytes()
          || at.at_ns - segment_at_ns_ > segment_age_max_.count()))
    begin_segment(at);
  return true;
}

void recorder::begin_segment(const moment& at) {
  std::string bytes;
  put_segment_prefix(bytes);
  segment_head head;
  head.run_id = options_.about.run_id;
  head.version = options_.about.version;
  head.revision = options_.about.revision;
  head.segment = segment_ + 1;
  head.first_number = number_;
  head.run_unix_us = began_unix_us_;
  head.secrets = secrets_.count();
  for (auto name : message_type_names())
    head.types.emplace_back(name);
  payload_.clear();
  put_head(payload_, head);
  put_frame(bytes, payload_);
  put_snapshot(bytes, at);
  if (missing_ > 0) {
    raw_record gap{.kind = byte_of(record_kind::gap)};
    gap.number = number_ - missing_;
    gap.missing = missing_;
    encode(gap, at, nullptr);
    put_frame(bytes, payload_);
  }
  auto size = bytes.size();
  if (!writer_.begin(segment_name(began_unix_us_, head.run_id, head.segment),
                     std::move(bytes)))
    return;
  ++segment_;
  missing_ = 0;
  // A snapshot must not make the next segment due at once.
  segment_bytes_ = std::min(size, writer_.segment_bytes() / 2);
  segment_at_ns_ = at.at_ns;
}

void recorder::put_snapshot(std::string& to, const moment& at) {
  if (!config_.text.empty()) {
    raw_record x{.kind = byte_of(record_kind::note)};
    x.flags = raw_record::in_snapshot;
    auto what = caf::make_message(config_);
    encode(x, at, &what.content());
    put_frame(to, payload_);
  }
  std::vector<const row*> alive;
  for (const auto& x : rows_)
    if (!x.second.is_over)
      alive.push_back(&x.second);
  std::sort(alive.begin(), alive.end(), [](const row* a, const row* b) {
    return a->who.number < b->who.number;
  });
  for (const auto* x : alive)
    put_state(to, *x, at);
}

void recorder::put_state(std::string& to, const row& x, const moment& at) {
  raw_record out{.kind = byte_of(record_kind::state)};
  out.flags = raw_record::in_snapshot;
  out.to = x.who.number;
  out.life = x.who.life;
  out.role = x.who.role;
  actor_state state;
  // With several workers another one may be changing it.
  if (x.show != nullptr && options_.about.workers == 1
      && to.size() < snapshot_bytes_max)
    if (auto actor = caf::actor_cast<caf::strong_actor_ptr>(x.actor)) {
      const auto& self = dynamic_cast<caf::local_actor&>(*actor->get());
      state.text = x.show(self);
      if (options_.state_bytes)
        options_.state_bytes(state.bytes, self, *this);
      if (state.text.size() > state_text_max)
        state.text.resize(state_text_max);
      kept_.push_back(std::move(actor));
    }
  auto what = caf::make_message(std::move(state));
  encode(out, at, &what.content());
  put_frame(to, payload_);
}

void recorder::forget_oldest() {
  while (over_.size() > over_max) {
    auto found = rows_.find(over_.front());
    over_.pop_front();
    if (found == rows_.end())
      continue;
    auto role = roles_.find(found->second.who.role);
    if (role != roles_.end() && --role->second.rows == 0)
      roles_.erase(role);
    rows_.erase(found);
  }
}

} // namespace muster
