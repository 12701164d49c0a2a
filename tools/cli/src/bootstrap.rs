//! Where the broker is: the one argument that every command has.

use net_client::{Cluster, ClusterOptions, ConnectionOptions, HostPort};

use crate::failure::Failure;

/// The broker's address.
#[derive(Clone, Debug, clap::Args)]
pub struct Bootstrap {
    /// The broker to ask first, host:port; several are separated by commas
    #[arg(
        short = 'b',
        long,
        global = true,
        value_name = "HOST:PORT",
        default_value = "localhost:9092"
    )]
    bootstrap_server: String,
}

impl Bootstrap {
    /// As the operator wrote it, for a command to show.
    pub(crate) fn text(&self) -> &str {
        &self.bootstrap_server
    }

    /// Connects.
    pub(crate) async fn connect(&self) -> Result<Cluster, Failure> {
        let Some(bootstrap) = HostPort::parse_list(&self.bootstrap_server) else {
            return Err(Failure::Usage(format!(
                "'{}' is not host:port; write for example --bootstrap-server localhost:9092",
                self.bootstrap_server
            )));
        };
        let options = ClusterOptions {
            bootstrap,
            connection: ConnectionOptions::default(),
        };
        Ok(Cluster::connect(options).await?)
    }
}
