#include "actors/journal/store.hpp"

#include "actors/journal/state_folder.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>
#include <utility>

namespace muster {

namespace {

/// `PRAGMA application_id`: "mstr". Says that the file is a journal of ours.
constexpr int64_t application_id = 0x6d737472;

constexpr const char* schema = R"(
BEGIN IMMEDIATE;
CREATE TABLE jobs (
  number INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  job INTEGER NOT NULL,
  runner TEXT NOT NULL,
  payload BLOB NOT NULL,
  instance TEXT NOT NULL,
  slot INTEGER NOT NULL,
  has_outcome INTEGER NOT NULL,
  success INTEGER NOT NULL,
  exit_code INTEGER NOT NULL,
  failure_reason TEXT NOT NULL,
  manager_lines BLOB NOT NULL,
  layout TEXT NOT NULL DEFAULT '',
  taken_us INTEGER NOT NULL DEFAULT 0,
  recipe BLOB NOT NULL DEFAULT x'',
  token BLOB NOT NULL DEFAULT x''
);
CREATE TABLE instances (
  group_id TEXT NOT NULL,
  instance TEXT NOT NULL,
  use_count INTEGER NOT NULL DEFAULT 0,
  last_use_ms INTEGER NOT NULL DEFAULT 0,
  provisioned_at_ms INTEGER NOT NULL DEFAULT 0,
  connect_info BLOB NOT NULL DEFAULT x'',
  host_key TEXT NOT NULL DEFAULT '',
  leaves TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (group_id, instance)
) WITHOUT ROWID;
CREATE TABLE leftovers (
  group_id TEXT NOT NULL,
  instance TEXT NOT NULL,
  key TEXT NOT NULL,
  PRIMARY KEY (group_id, instance, key)
) WITHOUT ROWID;
PRAGMA application_id = 1836282994;
PRAGMA user_version = 5;
COMMIT;
)";

/// From version 1, whose jobs could not be gone on with: they stay `started`
/// without a recipe.
constexpr const char* to_version_2 = R"(
BEGIN IMMEDIATE;
ALTER TABLE jobs DROP COLUMN state;
ALTER TABLE jobs DROP COLUMN trace_acknowledged;
ALTER TABLE jobs ADD COLUMN layout TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN taken_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN recipe BLOB NOT NULL DEFAULT x'';
PRAGMA user_version = 2;
COMMIT;
)";

/// From version 2, in which a job's token was in its payload alone.
constexpr const char* to_version_3 = R"(
BEGIN IMMEDIATE;
ALTER TABLE jobs ADD COLUMN token BLOB NOT NULL DEFAULT x'';
PRAGMA user_version = 3;
COMMIT;
)";

/// From version 3, which knew of no machines that stay.
constexpr const char* to_version_4 = R"(
BEGIN IMMEDIATE;
CREATE TABLE leftovers (
  group_id TEXT NOT NULL,
  instance TEXT NOT NULL,
  key TEXT NOT NULL,
  PRIMARY KEY (group_id, instance, key)
) WITHOUT ROWID;
PRAGMA user_version = 4;
COMMIT;
)";

/// From version 4, in which an instance that was to go was like any other.
constexpr const char* to_version_5 = R"(
BEGIN IMMEDIATE;
ALTER TABLE instances ADD COLUMN leaves TEXT NOT NULL DEFAULT '';
PRAGMA user_version = 5;
COMMIT;
)";

#define MUSTER_JOB_COLUMNS                                                     \
  "key, job, runner, payload, instance, slot, has_outcome, success, "          \
  "exit_code, failure_reason, manager_lines, layout, taken_us, recipe, token"

/// In the order of `query`.
constexpr const char* queries[] = {
  "INSERT INTO jobs (" MUSTER_JOB_COLUMNS ") "
  "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
  "ON CONFLICT (key) DO UPDATE SET job = excluded.job, "
  "runner = excluded.runner, payload = excluded.payload, "
  "instance = excluded.instance, slot = excluded.slot, "
  "has_outcome = excluded.has_outcome, success = excluded.success, "
  "exit_code = excluded.exit_code, failure_reason = excluded.failure_reason, "
  "manager_lines = excluded.manager_lines, layout = excluded.layout, "
  "taken_us = excluded.taken_us, recipe = excluded.recipe, "
  "token = excluded.token",
  "UPDATE jobs SET manager_lines = ? WHERE key = ?",
  "UPDATE jobs SET instance = ?, slot = ?, manager_lines = ?, recipe = ? "
  "WHERE key = ?",
  "UPDATE jobs SET has_outcome = 1, success = ?, exit_code = ?, "
  "failure_reason = ? WHERE key = ?",
  "DELETE FROM jobs WHERE key = ?",
  "SELECT " MUSTER_JOB_COLUMNS " FROM jobs ORDER BY number",
  "SELECT " MUSTER_JOB_COLUMNS " FROM jobs WHERE runner = ? ORDER BY number",
  "UPDATE jobs SET runner = ? WHERE runner = ? AND key = ?",
  "INSERT INTO instances (group_id, instance, use_count, last_use_ms, "
  "provisioned_at_ms, connect_info, host_key, leaves) "
  "VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
  "ON CONFLICT (group_id, instance) DO UPDATE SET "
  "use_count = excluded.use_count, last_use_ms = "
  "CASE excluded.last_use_ms WHEN 0 THEN last_use_ms "
  "ELSE excluded.last_use_ms END, provisioned_at_ms = "
  "CASE excluded.provisioned_at_ms WHEN 0 THEN provisioned_at_ms "
  "ELSE excluded.provisioned_at_ms END, "
  "connect_info = excluded.connect_info, host_key = "
  "CASE excluded.host_key WHEN '' THEN host_key ELSE excluded.host_key END, "
  "leaves = CASE excluded.leaves WHEN '' THEN leaves ELSE excluded.leaves END",
  "DELETE FROM instances WHERE group_id = ? AND instance = ?",
  "UPDATE instances SET use_count = 0, last_use_ms = 0, "
  "provisioned_at_ms = 0, connect_info = x'', leaves = '' "
  "WHERE group_id = ? AND instance = ?",
  "SELECT group_id, instance, use_count, last_use_ms, provisioned_at_ms, "
  "connect_info, host_key, leaves FROM instances WHERE group_id = ? "
  "ORDER BY instance",
  "INSERT INTO instances (group_id, instance, host_key) VALUES (?, ?, ?) "
  "ON CONFLICT (group_id, instance) DO UPDATE SET host_key = excluded.host_key",
  "SELECT host_key FROM instances WHERE group_id = ? AND instance = ?",
  "SELECT group_id, instance, host_key FROM instances WHERE host_key != '' "
  "ORDER BY group_id, instance",
  "INSERT INTO leftovers (group_id, instance, key) VALUES (?, ?, ?) "
  "ON CONFLICT DO NOTHING",
  "DELETE FROM leftovers WHERE group_id = ? AND instance = ? AND key = ?",
  "DELETE FROM leftovers WHERE group_id = ? AND instance = ?",
  "SELECT group_id, instance, key FROM leftovers WHERE group_id = ? "
  "ORDER BY instance, key",
};

#undef MUSTER_JOB_COLUMNS

journal_job job_of(const statement& row) {
  journal_job x;
  x.key = acquisition_key{row.text(0)};
  x.job = row.integer(1);
  x.runner = row.text(2);
  x.payload = secret{row.text(3)};
  x.instance = instance_id{row.text(4)};
  x.slot = static_cast<int32_t>(row.integer(5));
  if (row.integer(6) != 0)
    x.outcome = job_outcome{row.integer(7) != 0,
                            static_cast<int32_t>(row.integer(8)), row.text(9)};
  x.manager_lines = secret{row.text(10)};
  x.layout = row.text(11);
  x.taken_us = row.integer(12);
  x.recipe = secret{row.text(13)};
  x.token = secret{row.text(14)};
  return x;
}

journal_instance instance_of(const statement& row) {
  journal_instance x;
  x.group = row.text(0);
  x.instance = instance_id{row.text(1)};
  x.use_count = static_cast<int32_t>(row.integer(2));
  x.last_use_ms = row.integer(3);
  x.provisioned_at_ms = row.integer(4);
  x.connect_info = secret{row.text(5)};
  x.host_key = row.text(6);
  x.leaves = row.text(7);
  return x;
}

/// Reads all rows. The statement is reset in any case: an open one would keep
/// SQLite from ever shortening its log.
template <class Read>
auto read_all(const database& in, statement& from, Read read)
  -> result<std::vector<decltype(read(from))>, journal_errc> {
  std::vector<decltype(read(from))> found;
  auto code = from.step();
  for (; code == SQLITE_ROW; code = from.step())
    found.push_back(read(from));
  if (code == SQLITE_DONE) {
    from.reset();
    return found;
  }
  auto why = in.last_failure();
  from.reset();
  return tl::unexpected{std::move(why)};
}

} // namespace

// -- transaction --------------------------------------------------------------

journal_store::transaction::transaction(journal_store* store) : store_(store) {
}

journal_store::transaction::transaction(transaction&& other) noexcept
  : store_(std::exchange(other.store_, nullptr)) {
}

journal_store::transaction::~transaction() {
  if (store_ == nullptr)
    return;
  // On a full disk SQLite may have undone it already: there is nothing to do.
  if (store_->db_.in_transaction())
    store_->db_.run("ROLLBACK");
  store_->in_transaction_ = false;
  store_->failed_.reset();
}

result<void, journal_errc> journal_store::transaction::commit() {
  if (store_ == nullptr)
    return {};
  if (store_->failed_)
    return tl::unexpected{*store_->failed_};
  if (auto done = store_->db_.run("COMMIT"); !done)
    return done;
  store_->in_transaction_ = false;
  store_ = nullptr;
  return {};
}

result<journal_store::transaction, journal_errc> journal_store::begin() {
  if (in_transaction_) {
    std::fputs("journal_store: a transaction within a transaction\n", stderr);
    std::abort();
  }
  if (auto begun = db_.run("BEGIN IMMEDIATE"); !begun)
    return tl::unexpected{begun.error()};
  in_transaction_ = true;
  failed_.reset();
  return transaction{this};
}

// -- opening ------------------------------------------------------------------

journal_store::journal_store(database in) : db_(std::move(in)) {
}

result<journal_store, journal_errc>
journal_store::open(const std::string& state_dir) {
  if (auto ready = prepare_state_folder(state_dir); !ready)
    return tl::unexpected{ready.error()};
  auto opened = database::open(state_dir + "/journal.db");
  if (!opened)
    return tl::unexpected{opened.error()};
  journal_store store{std::move(*opened)};
  if (auto ready = store.set_up(); !ready)
    return tl::unexpected{ready.error()};
  if (auto ready = store.prepare_all(); !ready)
    return tl::unexpected{ready.error()};
  return store;
}

result<journal_store, journal_errc>
journal_store::open_beside(const std::string& state_dir) {
  auto path = state_dir + "/journal.db";
  if (::access(path.c_str(), R_OK | W_OK) != 0)
    return fail(journal_errc::not_readable,
                errno == ENOENT
                  ? fmt::format("there is no journal {}: no manager has used "
                                "this state folder",
                                path)
                  : fmt::format("cannot use the journal {}: {}; run this as "
                                "the user that runs muster",
                                path, std::strerror(errno)));
  auto opened = database::open(path);
  if (!opened)
    return tl::unexpected{opened.error()};
  journal_store store{std::move(*opened)};
  auto found = store.db_.number("PRAGMA user_version");
  if (!found)
    return tl::unexpected{found.error()};
  if (*found != version)
    return fail(journal_errc::not_readable,
                fmt::format("journal {} has version {}, this muster has {}: "
                            "use the muster that the manager runs",
                            path, *found, version));
  if (auto ready = store.prepare_all(); !ready)
    return tl::unexpected{ready.error()};
  return store;
}

/// Makes the tables in a new file; accepts one of ours that is not newer.
result<void, journal_errc> journal_store::set_up() {
  auto found = db_.number("PRAGMA user_version");
  if (!found)
    return tl::unexpected{found.error()};
  auto owner = db_.number("PRAGMA application_id");
  if (!owner)
    return tl::unexpected{owner.error()};
  auto tables = db_.number("SELECT count(*) FROM sqlite_master");
  if (!tables)
    return tl::unexpected{tables.error()};
  if (*found == 0 && *owner == 0 && *tables == 0)
    return db_.run(schema);
  if (*owner != application_id)
    return fail(journal_errc::not_readable,
                fmt::format("{} is a database of another program: set another "
                            "[muster] state_dir",
                            db_.path()));
  if (*found > version)
    return fail(
      journal_errc::not_readable,
      fmt::format("journal {} has version {}, this muster knows up to "
                  "{}: run a muster as new as the one that wrote it, "
                  "or set another [muster] state_dir",
                  db_.path(), *found, version));
  return migrate(*found);
}

/// Brings an older file up to date, in one transaction a version.
result<void, journal_errc> journal_store::migrate(int64_t from) {
  constexpr const char* steps[]
    = {to_version_2, to_version_3, to_version_4, to_version_5};
  for (auto to = from + 1; to <= version; ++to) {
    auto done = db_.run(steps[to - 2]);
    if (!done && db_.in_transaction())
      db_.run("ROLLBACK");
    if (!done)
      return done;
  }
  return {};
}

result<void, journal_errc> journal_store::prepare_all() {
  static_assert(std::size(queries) == static_cast<size_t>(query::count));
  for (size_t i = 0; i < statements_.size(); ++i) {
    auto made = db_.prepare(queries[i]);
    if (!made)
      return tl::unexpected{made.error()};
    statements_[i] = std::move(*made);
  }
  return {};
}

statement& journal_store::use(query which) {
  return statements_[static_cast<size_t>(which)].reset();
}

/// Writes, and remembers a failure for `commit`: SQLite itself would commit
/// what came after it.
result<void, journal_errc> journal_store::write(statement& what) {
  if (failed_)
    return tl::unexpected{*failed_};
  auto done = db_.run(what);
  if (!done && in_transaction_)
    failed_ = done.error();
  return done;
}

// -- jobs ---------------------------------------------------------------------

result<void, journal_errc> journal_store::put_job(const journal_job& x) {
  auto outcome = x.outcome.value_or(job_outcome{});
  return write(use(query::put_job)
                 .bind(x.key.value)
                 .bind(x.job)
                 .bind(x.runner)
                 .bind_blob(x.payload.reveal())
                 .bind(x.instance.value)
                 .bind(x.slot)
                 .bind(x.outcome.has_value())
                 .bind(outcome.success)
                 .bind(outcome.exit_code)
                 .bind(outcome.failure_reason)
                 .bind_blob(x.manager_lines.reveal())
                 .bind(x.layout)
                 .bind(x.taken_us)
                 .bind_blob(x.recipe.reveal())
                 .bind_blob(x.token.reveal()));
}

result<void, journal_errc>
journal_store::update_job_lines(const acquisition_key& key,
                                const secret& lines) {
  return write(
    use(query::update_lines).bind_blob(lines.reveal()).bind(key.value));
}

result<void, journal_errc>
journal_store::update_job_start(const journal_job& x) {
  auto done = write(use(query::update_start)
                      .bind(x.instance.value)
                      .bind(x.slot)
                      .bind_blob(x.manager_lines.reveal())
                      .bind_blob(x.recipe.reveal())
                      .bind(x.key.value));
  if (done && db_.changes() == 0)
    return fail(journal_errc::not_readable,
                fmt::format("journal {} does not know the job {} any more: "
                            "has somebody changed the file?",
                            db_.path(), x.key.value));
  return done;
}

result<void, journal_errc>
journal_store::put_job_result(const acquisition_key& key,
                              const job_outcome& outcome) {
  return write(use(query::put_result)
                 .bind(outcome.success)
                 .bind(outcome.exit_code)
                 .bind(outcome.failure_reason)
                 .bind(key.value));
}

result<void, journal_errc>
journal_store::remove_job(const acquisition_key& key) {
  return write(use(query::remove_job).bind(key.value));
}

result<void, journal_errc>
journal_store::rename_runner(const std::string& from, const std::string& to,
                             const acquisition_key& job) {
  return write(use(query::rename_runner).bind(to).bind(from).bind(job.value));
}

result<std::vector<journal_job>, journal_errc> journal_store::all_jobs() {
  return read_all(db_, use(query::all_jobs), job_of);
}

result<std::vector<journal_job>, journal_errc>
journal_store::jobs_of(const std::string& runner) {
  return read_all(db_, use(query::jobs_of).bind(runner), job_of);
}

// -- instances ----------------------------------------------------------------

result<void, journal_errc>
journal_store::put_instance(const journal_instance& x) {
  return write(use(query::put_instance)
                 .bind(x.group)
                 .bind(x.instance.value)
                 .bind(x.use_count)
                 .bind(x.last_use_ms)
                 .bind(x.provisioned_at_ms)
                 .bind_blob(x.connect_info.reveal())
                 .bind(x.host_key)
                 .bind(x.leaves));
}

result<void, journal_errc>
journal_store::remove_instance(const std::string& group,
                               const instance_id& instance) {
  auto done
    = write(use(query::remove_leftovers).bind(group).bind(instance.value));
  if (!done)
    return done;
  return write(use(query::remove_instance).bind(group).bind(instance.value));
}

result<void, journal_errc>
journal_store::release_instance(const std::string& group,
                                const instance_id& instance) {
  return write(use(query::release_instance).bind(group).bind(instance.value));
}

result<void, journal_errc>
journal_store::put_leftover(const journal_leftover& x) {
  return write(use(query::put_leftover)
                 .bind(x.group)
                 .bind(x.instance.value)
                 .bind(x.key.value));
}

result<void, journal_errc>
journal_store::remove_leftover(const journal_leftover& x) {
  return write(use(query::remove_leftover)
                 .bind(x.group)
                 .bind(x.instance.value)
                 .bind(x.key.value));
}

result<std::vector<journal_leftover>, journal_errc>
journal_store::leftovers_of(const std::string& group) {
  return read_all(
    db_, use(query::leftovers_of).bind(group), [](const statement& row) {
      return journal_leftover{row.text(0), instance_id{row.text(1)},
                              acquisition_key{row.text(2)}};
    });
}

result<std::vector<journal_instance>, journal_errc>
journal_store::instances_of(const std::string& group) {
  return read_all(db_, use(query::instances_of).bind(group), instance_of);
}

result<void, journal_errc>
journal_store::pin_host_key(const std::string& group,
                            const instance_id& instance,
                            const std::string& host_key) {
  return write(use(query::pin).bind(group).bind(instance.value).bind(host_key));
}

result<void, journal_errc>
journal_store::unpin_host_key(const std::string& group,
                              const instance_id& instance) {
  return pin_host_key(group, instance, "");
}

result<std::string, journal_errc>
journal_store::host_key(const std::string& group, const instance_id& instance) {
  auto& from = use(query::host_key).bind(group).bind(instance.value);
  auto found
    = read_all(db_, from, [](const statement& row) { return row.text(0); });
  if (!found)
    return tl::unexpected{found.error()};
  return found->empty() ? std::string{} : found->front();
}

result<std::vector<pinned_host_key>, journal_errc> journal_store::host_keys() {
  return read_all(db_, use(query::host_keys), [](const statement& row) {
    return pinned_host_key{row.text(0), instance_id{row.text(1)}, row.text(2)};
  });
}

} // namespace muster
