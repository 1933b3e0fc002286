-- Tables, indexes, joins, windows, JSON and full scans in a database file.
.mode list
pragma journal_mode = delete;
create table orders(id integer primary key, customer integer, price real, note text);
create table customers(id integer primary key, name text unique);
begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 400)
  insert into customers select i, printf('customer %05d', (i * 7919) % 100003) from n;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 12000)
  insert into orders select i, 1 + (i * 104729) % 400, ((i * 15485863) % 100000) / 100.0, hex(i * 2654435761 % 4294967296) from n;
commit;
create index by_customer on orders(customer, price);
select count(*), printf('%.2f', sum(price)), printf('%.6f', avg(price)), min(note), max(note) from orders;
select name, count(*), printf('%.2f', total(price)) from customers join orders on customers.id = customer
  group by name order by total(price) desc, name limit 5;
select customer, id, rank from (select customer, id, row_number() over (partition by customer order by price desc, id) rank
  from orders) where rank <= 2 order by customer, rank limit 8;
update orders set price = round(price * 1.19, 2) where note like '%AB%';
delete from orders where id % 11 = 3;
select changes(), total_changes();
select count(*), printf('%.2f', sum(price)) from orders where note glob '*[0-4]*F*';
select json_group_array(json_object('id', id, 'note', note)) from (select * from orders order by note limit 4);
select printf('%.12f', sqrt(2) + exp(1) + ln(10) + sin(1) + pow(2, 0.5)), 1e308 * 10, 5 / 2, 5 % -3, '12abc' + 1;
begin;
delete from orders;
rollback;
select count(*) from orders;
vacuum;
