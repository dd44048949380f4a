#include "executors/helper/commands/commands.hpp"

#include <utility>

namespace muster::helper {

namespace {

constexpr std::string_view uploader_usage
  = "muster-helper artifacts-uploader: sends files of a job to GitLab\n"
    "\n"
    "  --url, --token, --id        GitLab and the job (CI_SERVER_URL,\n"
    "                              CI_JOB_TOKEN, CI_JOB_ID)\n"
    "  --tls-ca-file, --tls-cert-file, --tls-key-file  (CI_SERVER_TLS_*)\n"
    "  --path GLOB, --exclude GLOB may be repeated; ** for folders\n"
    "  --untracked                 files that git does not know\n"
    "  --verbose                   name each file\n"
    "  --name NAME                 of the archive (artifacts)\n"
    "  --artifact-format FORMAT    zip, gzip, raw, zipzstd, tarzstd (zip)\n"
    "  --artifact-type TYPE, --expire-in TIME          as GitLab knows them\n"
    "  --compression-level LEVEL   fastest, fast, default, slow, slowest\n"
    "                              (ARTIFACT_COMPRESSION_LEVEL)\n"
    "  --timeout TIME (1h), --response-header-timeout TIME (10m)\n"
    "  --transfer-meter-frequency TIME  show progress; --ci-debug-trace\n"
    "  --generate-artifacts-metadata    add a provenance statement, from\n"
    "      --runner-id --runner-name --executor-name --job-name --repo-url\n"
    "      --repo-digest --metadata-parameter --started-at --ended-at\n"
    "      --schema-version\n"
    "Exit status 1 if GitLab has not taken them; 0 also if there were none.\n";

constexpr std::string_view downloader_usage
  = "muster-helper artifacts-downloader: gets and extracts another job's "
    "artifacts\n"
    "\n"
    "  --url, --token, --id        GitLab and that job (CI_SERVER_URL,\n"
    "                              CI_JOB_TOKEN, CI_JOB_ID)\n"
    "  --tls-ca-file, --tls-cert-file, --tls-key-file  (CI_SERVER_TLS_*)\n"
    "  --direct-download           from the object storage, at the first try\n"
    "                              (FF_USE_DIRECT_DOWNLOAD)\n"
    "  --retry N (2), --retry-time TIME (1s)\n"
    "  --archiver-staging-dir DIR  for the archive (ARCHIVER_STAGING_DIR)\n"
    "  --transfer-meter-frequency TIME  show progress\n"
    "Nothing is written outside of the folder where it is started.\n"
    "Exit status 1 if they were not to be had or cannot be extracted.\n";

constexpr std::string_view archiver_usage
  = "muster-helper cache-archiver: archives files, and uploads the archive\n"
    "\n"
    "  --file FILE, --alternate-file FILE   the local archive; the one of the\n"
    "                              other key\n"
    "  --path GLOB, --exclude GLOB, --untracked, --verbose\n"
    "  --url URL                   presigned, for PUT (MUSTER_CACHE_URL)\n"
    "  --check-url URL             presigned, for HEAD "
    "(MUSTER_CACHE_CHECK_URL)\n"
    "  --header 'NAME: VALUE'      may be repeated (MUSTER_CACHE_HEADERS)\n"
    "  --gocloud-url URL           azblob:// or s3://; credentials in\n"
    "  --env-file FILE             lines NAME=value\n"
    "  --metadata JSON             kept beside the archive (CACHE_METADATA)\n"
    "  --compression-format FORMAT zip, tarzstd, zipzstd\n"
    "                              (CACHE_COMPRESSION_FORMAT)\n"
    "  --compression-level LEVEL   fastest, fast, default, slow, slowest\n"
    "                              (CACHE_COMPRESSION_LEVEL)\n"
    "  --max-uploaded-archive-size BYTES  (CACHE_MAX_UPLOADED_ARCHIVE_SIZE)\n"
    "  --timeout MINUTES (10), --retry N (2), --retry-time TIME (1s)\n"
    "  --transfer-meter-frequency TIME    show progress\n"
    "  --transfer-buffer-size, --chunk-size, --concurrency   without effect\n"
    "Without --url the archive stays local. Exit status 1 on failure.\n";

constexpr std::string_view extractor_usage
  = "muster-helper cache-extractor: gets an archive if it is newer, and "
    "extracts it\n"
    "\n"
    "  --file FILE, --alternate-file FILE   the local archive; the one of the\n"
    "                              other key\n"
    "  --url URL, --head-url URL   presigned (MUSTER_CACHE_URL,\n"
    "                              MUSTER_CACHE_HEAD_URL)\n"
    "  --alternate-url URL, --alternate-head-url URL  under the other key\n"
    "                              (MUSTER_CACHE_ALTERNATE_URL,\n"
    "                              MUSTER_CACHE_ALTERNATE_HEAD_URL)\n"
    "  --header 'NAME: VALUE'      may be repeated (MUSTER_CACHE_HEADERS)\n"
    "  --gocloud-url URL, --alternate-gocloud-url URL   azblob:// or s3://;\n"
    "                              credentials in\n"
    "  --env-file FILE             lines NAME=value\n"
    "  --timeout MINUTES (10), --retry N (2), --retry-time TIME (1s)\n"
    "  --transfer-meter-frequency TIME    show progress\n"
    "  --transfer-buffer-size, --chunk-size, --concurrency   without effect\n"
    "Nothing is written outside of the folder where it is started, but FILE.\n"
    "Without --url the local archive is extracted. Exit status 1 on failure,\n"
    "also if there is no such cache.\n";

constexpr std::string_view init_usage
  = "muster-helper cache-init PATH...: makes folders writable for all\n"
    "\n"
    "  -h, --help     this text\n"
    "\n"
    "Exit status 1 if that fails, or without a path.\n";

constexpr std::string_view health_usage
  = "muster-helper health-check: waits until services take connections\n"
    "\n"
    "  -p, --port N   of this host; may be repeated, all have to answer\n"
    "\n"
    "Without a port the services are those of the variables *_TCP_ADDR and\n"
    "*_TCP_PORT, and one answer is enough. Tries every second, without end.\n"
    "Exit status 1 if there is nothing to wait for.\n";

constexpr std::string_view logs_usage
  = "muster-helper read-logs: prints a file and what is added to it\n"
    "\n"
    "  --path FILE                 each line gets the offset behind it in "
    "front\n"
    "  --offset N                  where to begin [bytes]\n"
    "  --wait-file-timeout TIME    for the file to be there (1s)\n"
    "\n"
    "Ends when it is ended. Exit status 100 if there is no such file.\n";

constexpr std::string_view exec_usage
  = "muster-helper proxy-exec COMMAND...: runs a command and masks its output\n"
    "\n"
    "  --bootstrap                 copy this program into the folder first, "
    "as\n"
    "                              gitlab-runner-helper\n"
    "  --temp-dir DIR              the folder (RUNNER_TEMP_PROJECT_DIR)\n"
    "\n"
    "A line `::add-mask::VALUE` is not shown, and VALUE is shown as [MASKED]\n"
    "from there on, also in later runs. Exit status: the command's.\n";

std::string& build_of_program() {
  static std::string text;
  return text;
}

} // namespace

const std::vector<command>& commands() {
  static const std::vector<command> all{
    {"artifacts-uploader", "send a job's files to GitLab", uploader_usage,
     artifacts_uploader},
    {"artifacts-downloader", "get and extract another job's artifacts",
     downloader_usage, artifacts_downloader},
    {"cache-archiver", "archive files, and upload the archive", archiver_usage,
     cache_archiver},
    {"cache-extractor", "get an archive if it is newer, and extract it",
     extractor_usage, cache_extractor},
    {"cache-init", "make folders writable for all", init_usage, cache_init},
    {"health-check", "wait until services take connections", health_usage,
     health_check},
    {"read-logs", "print a file and what is added to it", logs_usage,
     read_logs},
    {"proxy-exec", "run a command and mask its output", exec_usage, proxy_exec},
  };
  return all;
}

const std::string& build_text() {
  return build_of_program();
}

void set_build_text(std::string text) {
  build_of_program() = std::move(text);
}

} // namespace muster::helper
