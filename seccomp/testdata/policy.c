// Reads policies, a line a fact, and writes the filters that libseccomp makes of them.
//
//	policy DEFAULT OTHERARCH OPTIMIZE
//	arch NAME
//	rule ACTION NAME COUNT {INDEX OP A B}...
//	end
//
// Each filter is written as its length in bytes, a newline, and its code.
#include <errno.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void must(int rc, const char *what) {
	if (rc < 0) {
		fprintf(stderr, "%s: %s\n", what, strerror(-rc));
		exit(1);
	}
}

static void export(scmp_filter_ctx ctx) {
	FILE *f = tmpfile();
	must(seccomp_export_bpf(ctx, fileno(f)), "export");
	struct stat st;
	fstat(fileno(f), &st);
	printf("%ld\n", (long)st.st_size);
	rewind(f);
	for (int c; (c = fgetc(f)) != EOF;)
		putchar(c);
	fclose(f);
}

int main(void) {
	scmp_filter_ctx ctx = NULL;
	char word[64], name[64];
	int native = 1;
	seccomp_api_set(6);
	while (scanf("%63s", word) == 1) {
		if (!strcmp(word, "policy")) {
			uint32_t def, other;
			int optimize;
			scanf("%" SCNu32 " %" SCNu32 " %d", &def, &other, &optimize);
			if (!(ctx = seccomp_init(def)))
				must(-EINVAL, "init");
			must(seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, other), "badarch");
			must(seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, optimize), "optimize");
			native = 0;
		} else if (!strcmp(word, "arch")) {
			scanf("%63s", name);
			uint32_t token = seccomp_arch_resolve_name(name);
			if (token == seccomp_arch_native()) {
				native = 1;
			} else {
				if (!native) { // another byte order would not mix with the native one
					must(seccomp_arch_remove(ctx, seccomp_arch_native()), "remove");
					native = 1;
				}
				int rc = seccomp_arch_add(ctx, token);
				if (rc != -EEXIST)
					must(rc, name);
			}
		} else if (!strcmp(word, "rule")) {
			uint32_t action;
			int count;
			struct scmp_arg_cmp args[6];
			scanf("%" SCNu32 " %63s %d", &action, name, &count);
			for (int i = 0; i < count; i++) {
				int index, op;
				uint64_t a, b;
				scanf("%d %d %" SCNu64 " %" SCNu64, &index, &op, &a, &b);
				args[i] = (struct scmp_arg_cmp){index, op, a, b};
			}
			int number = seccomp_syscall_resolve_name(name);
			if (number == __NR_SCMP_ERROR) {
				fprintf(stderr, "unknown %s\n", name);
				continue;
			}
			int rc = seccomp_rule_add_array(ctx, action, number, count, args);
			if (rc != -EDOM)
				must(rc, name);
		} else if (!strcmp(word, "end")) {
			export(ctx);
			seccomp_release(ctx);
		}
	}
	return 0;
}
