//! `ottla format`: an empty directory becomes a node's.

use engine_runtime::{Runtime, RuntimeOptions};

use super::configure::configure;
use super::next_step;
use crate::args::FormatArgs;
use crate::exit::Exit;
use crate::logging;

/// Formats the directory and prints the cluster's id.
pub(crate) fn run(args: FormatArgs) -> Exit {
    logging::start_plain();
    if let Some(id) = &args.cluster_id
        && let Err(error) = id.parse::<engine_base::Uuid>()
    {
        logging::fatal(format_args!("--cluster-id '{id}': {error}"));
        return Exit::Configuration;
    }
    let Some(settings) = configure(args.config) else {
        return Exit::Configuration;
    };
    let mut config = settings.broker;
    config.cluster_id = args.cluster_id;
    let path = config.log_dir.clone();
    let runtime = match Runtime::uring(&RuntimeOptions::default()) {
        Ok(runtime) => runtime,
        Err(error) => {
            logging::fatal(error);
            return Exit::Host;
        }
    };
    let formatted = runtime.block_on(async move { net_broker::format_directory(&config).await });
    match formatted {
        Ok(cluster_id) => {
            println!("Formatted {} for cluster {cluster_id}.", path.display());
            Exit::Clean
        }
        Err(error) => {
            logging::fatal(next_step::told(&error, &path));
            Exit::from(&error)
        }
    }
}
