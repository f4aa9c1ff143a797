# SPDX-License-Identifier: Apache-2.0
"""A fresh Debian in a folder (or an empty one: suite None), and commands in it. Needs root, debootstrap and a mirror of packages."""
import contextlib, os, re, shutil, subprocess, tempfile

MIRROR = os.environ.get("DEBIAN_MIRROR")  # else the one that debootstrap knows
IN_MEMORY = 4 << 30  # bytes of the file system that roots lie in
# As in the slim images of Debian's containers: no documentation, no translations.
SLIM = ["/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/man/*", "/usr/share/lintian/*", "/usr/share/linda/*"]


class Root:
    def __init__(self, path, suite="bookworm"):
        self.path, self.mounted = path, []
        cache = os.environ.get("LLMSERVE_ROOT_CACHE")
        saved = cache and suite and os.path.join(cache, suite + ".tar")
        os.makedirs(path, exist_ok=True)
        if not suite:
            return
        if saved and os.path.exists(saved):
            subprocess.run(["tar", "-xf", saved, "-C", path], check=True)
        else:
            subprocess.run(["debootstrap", "--variant=minbase", suite, path] + ([MIRROR] if MIRROR else []), check=True, stdout=subprocess.DEVNULL)
            if saved:
                subprocess.run(["tar", "-cf", saved, "-C", path, "."], check=True)
        os.chmod(path, 0o755)  # it was a temporary folder, and users other than root run in it
        shutil.copy("/etc/resolv.conf", path + "/etc/resolv.conf")
        for config in ("/etc/apt/apt.conf.d", "/etc/apt/auth.conf.d"):
            for f in os.listdir(config) if os.path.isdir(config) else ():
                if f not in os.listdir(path + config) and "proxy" in open(os.path.join(config, f), errors="replace").read().lower():
                    shutil.copy(os.path.join(config, f), path + config)
        with open(path + "/usr/sbin/policy-rc.d", "w") as f:
            f.write("#!/bin/sh\nexit 101\n")
        os.chmod(path + "/usr/sbin/policy-rc.d", 0o755)
        self.mount()

    def mount(self):
        for kind, where in (("proc", "/proc"), ("devtmpfs", "/dev")):
            subprocess.run(["mount", "-t", kind, kind, self.path + where], check=True)
            self.mounted.append(self.path + where)

    def unmount(self):
        for where in reversed(self.mounted):
            subprocess.run(["umount", "-l", where], check=False)
        self.mounted = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.unmount()

    def make_slim(self):
        with open(self.path + "/etc/dpkg/dpkg.cfg.d/slim", "w") as f:
            f.writelines(f"path-exclude {p}\n" for p in SLIM)
        for p in SLIM:
            shutil.rmtree(self.path + p[:-2], ignore_errors=True)

    def command(self, *command, user=None, env=None, cwd="/"):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", **(env or {})}
        return ["env", "-i", *(f"{k}={v}" for k, v in env.items()), "chroot", *(["--userspec=" + user] if user else []), self.path,
                *(["env", "-C", cwd] if cwd != "/" else []), *command]

    def run(self, *command, **how):
        p = subprocess.run(self.command(*command, **how), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if p.returncode:
            raise AssertionError(f"{command}: status {p.returncode}\n{p.stdout[-4000:]}")
        return p.stdout


@contextlib.contextmanager
def temporary(where=None):
    """A folder for roots: in memory where there is enough, since to install is to wait for the disk."""
    with tempfile.TemporaryDirectory(prefix="llmserve-root-", dir=where, ignore_cleanup_errors=True) as d:
        available = int(re.search(r"MemAvailable: +(\d+)", open("/proc/meminfo").read())[1]) << 10
        in_memory = not where and available > 2 * IN_MEMORY and not subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={IN_MEMORY},mode=755", "tmpfs", d]).returncode
        try:
            yield d
        finally:
            if in_memory:
                subprocess.run(["umount", "-l", d], check=True)


def newer(deb, out):
    """The same package with a higher version."""
    folder = out + "/tree"
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["dpkg-deb", "-R", deb, folder], check=True)
    control = open(folder + "/DEBIAN/control").read()
    version = re.search(r"^Version: (.*)", control, re.M)[1]
    open(folder + "/DEBIAN/control", "w").write(control.replace(version, version + "+1"))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "-b", folder, out + "/" + os.path.basename(deb).replace(version, version + "+1")], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(folder)


if __name__ == "__main__":  # for LLMSERVE_ROOT_CACHE
    with temporary() as folder, Root(folder):
        pass
