//! `ottla groups`: list and describe. Output as of `kafka-consumer-groups`.

use clap::{Args, Subcommand};
use net_client::{Admin, GroupDescription, GroupOffset};

use crate::bootstrap::Bootstrap;
use crate::failure::Failure;
use crate::output;

/// The commands about groups.
#[derive(Debug, Subcommand)]
pub enum GroupsCommand {
    /// List the groups
    #[command(after_long_help = "\
Examples:
  ottla groups list
  ottla groups list --state        with their states")]
    List(ListArgs),
    /// Show a group's offsets, lag and members
    #[command(after_long_help = "\
Examples:
  ottla groups describe readers
  ottla groups describe readers --members

LAG is how many records of a partition the group has not committed yet.")]
    Describe(DescribeArgs),
}

/// Of `ottla groups list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    bootstrap: Bootstrap,
    /// Show the type and state of each
    #[arg(long)]
    state: bool,
}

/// Of `ottla groups describe`.
#[derive(Debug, Args)]
pub struct DescribeArgs {
    #[command(flatten)]
    bootstrap: Bootstrap,
    /// The group's id
    group: String,
    /// Show members instead of offsets
    #[arg(long)]
    members: bool,
}

/// Runs the command.
pub(crate) async fn run(command: GroupsCommand) -> Result<(), Failure> {
    match command {
        GroupsCommand::List(args) => list(args).await,
        GroupsCommand::Describe(args) => describe(args).await,
    }
}

async fn list(args: ListArgs) -> Result<(), Failure> {
    let mut admin = Admin::new(args.bootstrap.connect().await?);
    let groups = admin.groups().await?;
    if !args.state {
        let lines = groups.iter().map(|group| format!("{}\n", group.group_id));
        return output::print(&lines.collect::<String>());
    }
    let mut rows = vec![row(&["GROUP", "TYPE", "PROTOCOL", "STATE"])];
    for group in &groups {
        let kind = if group.group_type.is_empty() {
            "-"
        } else {
            &group.group_type
        };
        rows.push(row(&[
            &group.group_id,
            kind,
            &group.protocol_type,
            &group.state,
        ]));
    }
    output::print(&table(&rows))
}

async fn describe(args: DescribeArgs) -> Result<(), Failure> {
    let mut admin = Admin::new(args.bootstrap.connect().await?);
    let group = admin.describe_group(&args.group).await?;
    if group.state == "Dead" {
        return Err(Failure::Usage(format!(
            "There is no group {}.\nSee 'ottla groups list'.",
            args.group
        )));
    }
    if let Some(line) = state_line(&group) {
        output::note(&line);
    }
    if args.members {
        return output::print(&table(&member_rows(&group)));
    }
    let offsets = admin.group_offsets(&group).await?;
    output::print(&table(&offset_rows(&group, &offsets)))
}

/// What to say before a table that has little to show.
fn state_line(group: &GroupDescription) -> Option<String> {
    let id = &group.group_id;
    match group.state.as_str() {
        // Its members have no partitions until all have joined.
        "PreparingRebalance" | "CompletingRebalance" | "Assigning" | "Reconciling" => {
            Some(format!("Group {id} is rebalancing ({}).", group.state))
        }
        _ if group.members.is_empty() => Some(format!("Group {id} has no active members.")),
        _ => None,
    }
}

fn offset_rows(group: &GroupDescription, offsets: &[GroupOffset]) -> Vec<Vec<String>> {
    let mut rows = vec![row(&[
        "GROUP",
        "TOPIC",
        "PARTITION",
        "CURRENT-OFFSET",
        "LOG-END-OFFSET",
        "LAG",
        "CONSUMER-ID",
        "HOST",
        "CLIENT-ID",
    ])];
    let shown =
        |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    for offset in offsets {
        let reads = |member: &&net_client::GroupMember| {
            member
                .partitions
                .iter()
                .any(|(t, p)| *t == offset.topic && *p == offset.partition)
        };
        let member = group.members.iter().find(reads);
        let lag = offset
            .committed
            .zip(offset.end)
            .map(|(committed, end)| (end - committed).max(0));
        rows.push(row(&[
            &group.group_id,
            &offset.topic,
            &offset.partition.to_string(),
            &shown(offset.committed),
            &shown(offset.end),
            &shown(lag),
            member.map_or("-", |member| &member.member_id),
            member.map_or("-", |member| &member.host),
            member.map_or("-", |member| &member.client_id),
        ]));
    }
    rows
}

fn member_rows(group: &GroupDescription) -> Vec<Vec<String>> {
    let mut rows = vec![row(&[
        "GROUP",
        "CONSUMER-ID",
        "HOST",
        "CLIENT-ID",
        "#PARTITIONS",
        "ASSIGNMENT",
    ])];
    for member in &group.members {
        let partitions = member
            .partitions
            .iter()
            .map(|(topic, p)| format!("{topic}-{p}"));
        let assignment = partitions.collect::<Vec<_>>().join(",");
        rows.push(row(&[
            &group.group_id,
            &member.member_id,
            &member.host,
            &member.client_id,
            &member.partitions.len().to_string(),
            if assignment.is_empty() {
                "-"
            } else {
                &assignment
            },
        ]));
    }
    rows
}

fn row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|&cell| cell.to_owned()).collect()
}

/// Columns as wide as their widest cell, a blank between them.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join(" ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use net_client::GroupMember;

    #[test]
    fn a_group_without_partitions_yet_says_why() {
        let group = |state: &str, members: usize| GroupDescription {
            group_id: "g".to_owned(),
            state: state.to_owned(),
            protocol: String::new(),
            coordinator: 1,
            members: vec![
                GroupMember {
                    member_id: "m".to_owned(),
                    instance_id: None,
                    client_id: "c".to_owned(),
                    host: "/127.0.0.1".to_owned(),
                    partitions: Vec::new(),
                };
                members
            ],
        };
        let told = |state, members| state_line(&group(state, members));
        let joining = told("PreparingRebalance", 1);
        assert_eq!(
            joining.as_deref(),
            Some("Group g is rebalancing (PreparingRebalance).")
        );
        assert!(told("CompletingRebalance", 1).is_some());
        assert!(told("Empty", 0).unwrap().contains("no active members"));
        assert_eq!(told("Stable", 1), None);
    }

    #[test]
    fn shows_offsets_lag_and_who_reads() {
        let group = GroupDescription {
            group_id: "g".to_owned(),
            state: "Stable".to_owned(),
            protocol: "range".to_owned(),
            coordinator: 1,
            members: vec![GroupMember {
                member_id: "m-1".to_owned(),
                instance_id: None,
                client_id: "c".to_owned(),
                host: "/127.0.0.1".to_owned(),
                partitions: vec![("t".to_owned(), 0)],
            }],
        };
        let offset = |partition, committed| GroupOffset {
            topic: "t".to_owned(),
            partition,
            committed,
            end: Some(10),
        };
        let text = table(&offset_rows(&group, &[offset(0, Some(7)), offset(1, None)]));
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            lines[1],
            ["g", "t", "0", "7", "10", "3", "m-1", "/127.0.0.1", "c"]
        );
        assert_eq!(lines[2], ["g", "t", "1", "-", "10", "-", "-", "-", "-"]);
    }
}
