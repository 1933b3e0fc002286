/* What every step needs: registers, text, checks, and the GIC's CPU interfaces of three CPUs. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

#define UART 0x09000000ul
#define GICD 0x08000000ul
#define GITS 0x08080000ul
#define TRANSLATER 0x08090040ul
#define GICR(cpu) (0x080a0000ul + (u64)(cpu) * 0x20000)
#define CPUS 3
#define NONE 1023u

static inline u8 r8(u64 a) { return *(volatile u8 *)a; }
static inline u16 r16(u64 a) { return *(volatile u16 *)a; }
static inline u32 r32(u64 a) { return *(volatile u32 *)a; }
static inline u64 r64(u64 a) { return *(volatile u64 *)a; }
#define BARRIER __asm__ volatile("dsb sy" ::: "memory")
static inline void w8(u64 a, u8 v) { *(volatile u8 *)a = v; BARRIER; }
static inline void w16(u64 a, u16 v) { *(volatile u16 *)a = v; BARRIER; }
static inline void w32(u64 a, u32 v) { *(volatile u32 *)a = v; BARRIER; }
static inline void w64(u64 a, u64 v) { *(volatile u64 *)a = v; BARRIER; }

#define READ(name) ({ u64 v_; __asm__ volatile("mrs %0, " name : "=r"(v_)); v_; })
#define WRITE(name, v) __asm__ volatile("msr " name ", %0\n isb" ::"r"((u64)(v)) : "memory")
#define ICC_IAR1 "S3_0_C12_C12_0"
#define ICC_EOIR1 "S3_0_C12_C12_1"
#define ICC_HPPIR1 "S3_0_C12_C12_2"
#define ICC_DIR "S3_0_C12_C11_1"
#define ICC_RPR "S3_0_C12_C11_3"
#define ICC_SGI1R "S3_0_C12_C11_5"
#define ICC_CTLR "S3_0_C12_C12_4"
#define ICC_SRE "S3_0_C12_C12_5"
#define ICC_IGRPEN1 "S3_0_C12_C12_7"
#define ICC_PMR "S3_0_C4_C6_0"

/* ------------------------------------------------------------------------------------------------- text */

void put(char c);
void text(const char *s);
void hex(u64 v);
void field(const char *name, u64 v);
/* Ends a line; the step is good if `ok`. */
void done(int ok);
int same(const char *a, const char *b);
extern u32 checks, bad;

/* ------------------------------------------------------------------------------------------ interrupts */

enum { TAKE = 1, HIGHEST, MASK, GROUP };
void start_cpus(void);
/* One access to the CPU interface of any CPU: TAKE acknowledges and completes. */
u32 on(u32 cpu, u32 what, u32 value);
/* Takes all that is pending, on CPU after CPU, into a text like " 0:2000 2:2001"; says so if commands are left. */
const char *taken(void);
/* A line: the name, what was taken, and whether that is what was expected. */
void now(const char *name, const char *expected);
void sleep_ms(u64 ms);

/* ------------------------------------------------------------------------------------------------- ITS */

enum { CTLR = 0x00, IIDR = 0x04, TYPER = 0x08, CBASER = 0x80, CWRITER = 0x88, CREADR = 0x90, BASER = 0x100 };
enum { PROPBASER = 0x70, PENDBASER = 0x78 };

/* RAM: where things are. */
#define QUEUE 0x42000000ul
#define DEVICES 0x42100000ul
#define COLLECTIONS 0x42200000ul
#define LEVEL2 0x42300000ul
#define ITT(n) (0x42500000ul + (u64)(n) * 0x1000)
#define PROPERTIES 0x42600000ul
#define PENDING(cpu) (0x42700000ul + (u64)(cpu) * 0x10000)
#define VIRTQUEUE 0x42800000ul
#define DATA 0x42900000ul
#define NOWHERE 0x0f000000ul
#define VALID (1ul << 63)
#define INDIRECT (1ul << 62)
#define PTZ (1ul << 62)

/* ITS and LPIs as at the start of each group of steps: flat tables, collections 0 … 2 for CPUs 0 … 2. */
void fresh(void);
void queue_at(u64 base, u32 pages);
void tables(u64 devices, u64 collections);
void its_on(void);
void its_off(void);
void lpis_on(u32 cpu);
void lpis_off(u32 cpu);
/* Configuration byte of an LPI. */
void configure(u32 intid, u32 priority, int enabled);
int pending_bit(u32 cpu, u32 intid);
/* Puts a command into the queue without starting it; then starts what is there. */
void post(u64 a, u64 b, u64 c, u64 d);
void go(void);
void zero(u64 at, u64 bytes);
extern u32 head;

static inline void run(u64 a, u64 b, u64 c, u64 d) { post(a, b, c, d); go(); }
#define DEV(d) ((u64)(d) << 32)
#define RD(cpu) ((u64)(cpu) << 16)
static inline void movi(u64 d, u64 e, u64 c) { run(0x01 | DEV(d), e, c, 0); }
static inline void intr(u64 d, u64 e) { run(0x03 | DEV(d), e, 0, 0); }
static inline void clear(u64 d, u64 e) { run(0x04 | DEV(d), e, 0, 0); }
static inline void sync(u64 cpu) { run(0x05, 0, RD(cpu), 0); }
static inline void mapd(u64 d, u64 bits, u64 itt) { run(0x08 | DEV(d), bits - 1, itt | VALID, 0); }
static inline void unmapd(u64 d) { run(0x08 | DEV(d), 0, 0, 0); }
static inline void mapc(u64 c, u64 cpu) { run(0x09, 0, c | RD(cpu) | VALID, 0); }
static inline void unmapc(u64 c) { run(0x09, 0, c, 0); }
static inline void mapti(u64 d, u64 e, u64 intid, u64 c) { run(0x0a | DEV(d), e | intid << 32, c, 0); }
static inline void mapi(u64 d, u64 e, u64 c) { run(0x0b | DEV(d), e, c, 0); }
static inline void inv(u64 d, u64 e) { run(0x0c | DEV(d), e, 0, 0); }
static inline void invall(u64 c) { run(0x0d, 0, c, 0); }
static inline void movall(u64 from, u64 to) { run(0x0e, 0, RD(from), RD(to)); }
static inline void discard(u64 d, u64 e) { run(0x0f | DEV(d), e, 0, 0); }

/* ----------------------------------------------------------------------------------------- the steps */

void registers(void);
void queue(void);
void table_formats(void);
void commands(void);
void errors(void);
void lpis(void);
void processors(void);
void messages(void);
void wrong(void);
