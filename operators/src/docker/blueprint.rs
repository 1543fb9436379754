//! What is asked of the engine: the arguments of a task as the request that makes its container.

use std::borrow::Cow;
use std::collections::HashMap;

use anyhow::anyhow;
use bollard::models::{
    ContainerCreateBody, DeviceRequest, HostConfig, HostConfigLogConfig, Mount, MountTmpfsOptions, MountType,
    PortBinding, PortMap, ResourcesUlimits,
};
use scheduler::operator::{TaskContext, TaskError};

use super::args::{DockerArgs, Labels, MountArgs, MountKind, Size, mount_of, words_of};
use crate::bash::EnvValue;
use crate::beside;
use crate::shapes::{OneOrMany, TextOr};

/// What the container of a try bears its token as.
pub(super) const TOKEN_LABEL: &str = "updraft.token";

/// A whole processor, as Docker counts shares.
const SHARES_OF_ONE: f64 = 1024.0;

/// Names that are made up are not longer.
const NAME_CHARACTERS_MAX: usize = 100;

/// What makes the container of a try.
pub(super) async fn body(args: &DockerArgs, token: &str, ctx: &TaskContext) -> Result<ContainerCreateBody, TaskError> {
    let text = |key: &str, problem: String| TaskError::fail(anyhow!("`{key}`: {problem}"));
    let words = |key: &str, written: &Option<OneOrMany>| {
        written.as_ref().map(words_of).transpose().map_err(|problem| text(key, problem))
    };
    let exposed_ports = args.port_bindings.keys().map(|port| with_protocol(port)).collect::<Vec<String>>();
    Ok(ContainerCreateBody {
        image: Some(args.image.clone()),
        cmd: words("command", &args.command)?,
        entrypoint: words("entrypoint", &args.entrypoint)?,
        env: Some(environment(args, ctx).await?),
        working_dir: args.working_dir.clone(),
        user: args.user.as_ref().map(EnvValue::text),
        hostname: args.hostname.clone(),
        tty: Some(args.tty),
        labels: Some(labels(args.labels.as_ref(), token, ctx)),
        exposed_ports: (!exposed_ports.is_empty()).then_some(exposed_ports),
        host_config: Some(host_config(args).map_err(|problem| TaskError::fail(anyhow!(problem)))?),
        ..ContainerCreateBody::default()
    })
}

/// The name of the container of a try.
pub(super) fn name(args: &DockerArgs, token: &str, ctx: &TaskContext) -> String {
    if let Some(name) = &args.container_name {
        return name.clone();
    }
    let (dag_id, task_id) = (&ctx.key.dag_id, &ctx.key.task_id);
    let readable = format!("updraft-{dag_id}-{task_id}-{}", ctx.try_number);
    let allowed = |sign: char| if sign.is_ascii_alphanumeric() || "_.-".contains(sign) { sign } else { '_' };
    let readable: String = readable.chars().map(allowed).take(NAME_CHARACTERS_MAX).collect();
    format!("{readable}-{}", token.get(..8).unwrap_or(token))
}

fn labels(own: Option<&Labels>, token: &str, ctx: &TaskContext) -> HashMap<String, String> {
    let mut labels: HashMap<String, String> = match own {
        None => HashMap::new(),
        Some(Labels::Names(names)) => names.iter().map(|name| (name.clone(), String::new())).collect(),
        Some(Labels::Values(values)) => values.clone().into_iter().collect(),
    };
    let ours = [
        ("updraft.dag_id", ctx.key.dag_id.clone()),
        ("updraft.run_id", ctx.key.run_id.clone()),
        ("updraft.task_id", ctx.key.task_id.clone()),
        ("updraft.map_index", ctx.key.map_index.to_string()),
        ("updraft.try_number", ctx.try_number.to_string()),
        (TOKEN_LABEL, token.to_owned()),
    ];
    labels.extend(ours.map(|(name, value)| (name.to_owned(), value)));
    labels
}

/// The variables, each as `NAME=value`; those that are written in the DAG file go before those of a file.
async fn environment(args: &DockerArgs, ctx: &TaskContext) -> Result<Vec<String>, TaskError> {
    let mut variables: Vec<(String, String)> = Vec::new();
    if let Some(file) = &args.env_file {
        // Of a name that ends as such names do, it is the text of the file already.
        let (name, text) = match ctx.file_of("env_file", 0) {
            Some(name) => (name, Cow::from(file)),
            None => (file.as_str(), Cow::from(beside::read(ctx, file).await?)),
        };
        variables.extend(variables_of(&text).map_err(|problem| TaskError::fail(anyhow!("`{name}`: {problem}")))?);
    }
    if args.mount_tmp_dir {
        variables.push(("AIRFLOW_TMP_DIR".to_owned(), args.tmp_dir.clone()));
    }
    variables.extend(args.environment.iter().map(|(name, value)| (name.clone(), value.text())));
    for (name, value) in &args.private_environment {
        let value = value.text();
        ctx.log.hide(&value);
        variables.push((name.clone(), value));
    }
    // The last of one name counts.
    Ok(variables.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
}

/// The variables of a file: a line for each, with comments, and quotes around values.
fn variables_of(text: &str) -> Result<Vec<(String, String)>, String> {
    let kept = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    kept.map(|line| {
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').ok_or_else(|| format!("`{line}` is no `NAME=value`"))?;
        let value = value.trim();
        let unquoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        Ok((name.trim().to_owned(), unquoted.unwrap_or(value).to_owned()))
    })
    .collect()
}

fn host_config(args: &DockerArgs) -> Result<HostConfig, String> {
    let bytes = |key: &str, size: &Option<Size>| {
        size.as_ref().map(Size::bytes).transpose().map_err(|problem| format!("`{key}`: {problem}"))
    };
    let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    Ok(HostConfig {
        cpu_shares: Some(shares(args.cpus)),
        memory: bytes("mem_limit", &args.mem_limit)?,
        shm_size: bytes("shm_size", &args.shm_size)?,
        mounts: mounts(args)?,
        network_mode: args.network_mode.clone(),
        port_bindings: port_bindings(args),
        dns: some(&args.dns),
        dns_search: some(&args.dns_search),
        extra_hosts: some(&args.extra_hosts.iter().map(|(host, address)| format!("{host}:{address}")).collect()),
        privileged: Some(args.privileged),
        cap_add: some(&args.cap_add),
        ipc_mode: args.ipc_mode.clone(),
        ulimits: ulimits(args),
        device_requests: device_requests(args),
        log_config: log_config(args),
        ..HostConfig::default()
    })
}

#[expect(clippy::cast_possible_truncation, reason = "a share of processors is a small number")]
fn shares(cpus: f64) -> i64 {
    (cpus * SHARES_OF_ONE).round() as i64
}

fn mounts(args: &DockerArgs) -> Result<Option<Vec<Mount>>, String> {
    let mut mounts = Vec::new();
    for mount in &args.mounts {
        mounts.push(match mount {
            TextOr::Text(text) => engine_mount(&mount_of(text)?)?,
            TextOr::More(mount) => engine_mount(mount)?,
        });
    }
    if args.mount_tmp_dir {
        // A volume without a name belongs to the container alone, on whichever machine the engine is.
        let target = Some(args.tmp_dir.clone());
        mounts.push(Mount { target, typ: Some(MountType::VOLUME), ..Mount::default() });
    }
    Ok((!mounts.is_empty()).then_some(mounts))
}

fn engine_mount(mount: &MountArgs) -> Result<Mount, String> {
    let size_bytes = mount.tmpfs_size.as_ref().map(Size::bytes).transpose()?;
    Ok(Mount {
        target: Some(mount.target.clone()),
        source: mount.source.clone(),
        typ: Some(match mount.kind {
            MountKind::Bind => MountType::BIND,
            MountKind::Volume => MountType::VOLUME,
            MountKind::Tmpfs => MountType::TMPFS,
        }),
        read_only: Some(mount.read_only),
        tmpfs_options: size_bytes
            .map(|bytes| MountTmpfsOptions { size_bytes: Some(bytes), ..MountTmpfsOptions::default() }),
        ..Mount::default()
    })
}

fn with_protocol(port: &str) -> String {
    if port.contains('/') { port.to_owned() } else { format!("{port}/tcp") }
}

fn port_bindings(args: &DockerArgs) -> Option<PortMap> {
    let bindings = args.port_bindings.iter().map(|(port, outside)| {
        let outside = outside.text();
        let (host_ip, host_port) = match outside.rsplit_once(':') {
            Some((address, port)) => (Some(address.to_owned()), port.to_owned()),
            None => (None, outside),
        };
        (with_protocol(port), Some(vec![PortBinding { host_ip, host_port: Some(host_port) }]))
    });
    (!args.port_bindings.is_empty()).then(|| bindings.collect())
}

fn ulimits(args: &DockerArgs) -> Option<Vec<ResourcesUlimits>> {
    let limits = args.ulimits.iter().map(|limit| ResourcesUlimits {
        name: Some(limit.name.clone()),
        soft: Some(limit.soft),
        hard: Some(limit.hard),
    });
    (!args.ulimits.is_empty()).then(|| limits.collect())
}

fn device_requests(args: &DockerArgs) -> Option<Vec<DeviceRequest>> {
    let requests = args.device_requests.iter().cloned().map(|request| DeviceRequest {
        driver: request.driver,
        count: request.count,
        device_ids: request.device_ids,
        capabilities: request.capabilities,
        options: Some(request.options.into_iter().collect()),
    });
    (!args.device_requests.is_empty()).then(|| requests.collect())
}

fn log_config(args: &DockerArgs) -> Option<HostConfigLogConfig> {
    let size = args.log_opts_max_size.clone().map(|size| ("max-size".to_owned(), size));
    let files = args.log_opts_max_file.as_ref().map(|files| ("max-file".to_owned(), files.text()));
    let config: HashMap<String, String> = size.into_iter().chain(files).collect();
    (!config.is_empty()).then(|| HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(config) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_variables_have_comments_and_quotes() {
        let text = "# comment\nA=1\nexport B = \"two words\" \n\nC='x=y'\nD=\n";
        let pairs = variables_of(text).unwrap();
        let shown: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(shown, ["A=1", "B=two words", "C=x=y", "D="]);
        assert_eq!(variables_of("A\n").unwrap_err(), "`A` is no `NAME=value`");
    }
}
